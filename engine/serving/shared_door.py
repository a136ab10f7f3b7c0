"""The door of one worker among several: it takes connections from the port they share, in turn."""

import asyncio
import logging
import socket
from collections.abc import Callable

from engine.serving.app import App
from engine.serving.door import Door
from engine.serving.seats import Seat

# So long a worker leaves a new connection to those that have fewer.
YIELD_S = 0.002
# Where accept fails, for want of file descriptors, it is tried again after this.
REST_S = 1.0

_log = logging.getLogger("cdml.serving")


class SharedDoor(Door):
    """A door that takes no more than its share of the connections."""

    def __init__(self, app: App, drain_s: int, seat: Seat) -> None:
        super().__init__(app, drain_s)
        self._seat = seat

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """Begin to take connections."""
        await super().startup(sockets=[])
        self.servers = [Taking(port, self._connection, self._crowded) for port in sockets or []]  # type: ignore[misc]

    def _connection(self) -> asyncio.Protocol:
        made: asyncio.Protocol = self.config.http_protocol_class(  # type: ignore[call-arg]
            config=self.config, server_state=self.server_state, app_state={}
        )
        return made

    def _crowded(self, arriving: int) -> bool:
        mine = len(self.server_state.connections) + arriving
        return self._seat.seats.is_crowded(self._seat.worker, mine)


class Taking:
    """Takes connections from a listening socket one at a time, in place of an asyncio server."""

    def __init__(
        self,
        port: socket.socket,
        connection: Callable[[], asyncio.Protocol],
        crowded: Callable[[int], bool],
    ) -> None:
        self._port = port
        self._connection = connection
        self._crowded = crowded
        self._loop = asyncio.get_running_loop()
        self._arriving: set[asyncio.Task[None]] = set()
        self._resting: asyncio.TimerHandle | None = None
        self._listen()

    def close(self) -> None:
        """Take no more."""
        if self._resting is not None:
            self._resting.cancel()
        self._loop.remove_reader(self._port)

    async def wait_closed(self) -> None:
        """Return at once: what was taken is waited for by the door."""

    def _listen(self) -> None:
        self._resting = None
        self._loop.add_reader(self._port, self._called)

    def _called(self) -> None:
        """Take a connection, or leave it for a moment to a worker that has fewer."""
        if self._crowded(len(self._arriving)):
            self._rest(YIELD_S, self._take_after_all)
        else:
            self._take()

    def _take_after_all(self) -> None:
        self._listen()
        self._take()

    def _take(self) -> None:
        try:
            taken, _ = self._port.accept()
        except (BlockingIOError, ConnectionAbortedError):
            return  # another worker was quicker, or the client has gone
        except OSError as e:
            _log.error("taking a connection: %s; trying again in a second", e)
            self._rest(REST_S, self._listen)
            return
        taken.setblocking(False)
        task = self._loop.create_task(self._hand_over(taken))
        self._arriving.add(task)
        task.add_done_callback(self._arriving.discard)

    async def _hand_over(self, taken: socket.socket) -> None:
        try:
            await self._loop.connect_accepted_socket(self._connection, taken)
        except OSError:
            taken.close()

    def _rest(self, seconds: float, then: Callable[[], None]) -> None:
        self._loop.remove_reader(self._port)
        self._resting = self._loop.call_later(seconds, then)
