"""Several doors on one port: each takes its share."""

import asyncio
import socket

from engine.serving.seats import Seats
from engine.serving.shared_door import Taking

Arrived = asyncio.Queue[tuple[int, asyncio.BaseTransport]]


class Connection(asyncio.Protocol):
    """One that a worker took."""

    def __init__(self, worker: int, arrived: Arrived) -> None:
        self._worker = worker
        self._arrived = arrived

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._arrived.put_nowait((self._worker, transport))


async def test_connections_go_to_whoever_has_fewest() -> None:
    seats = Seats.of(3)  # the third of them takes none, and nobody waits for it
    arrived: Arrived = asyncio.Queue()
    counts = [0, 0]

    def taking(port: socket.socket, worker: int) -> Taking:
        return Taking(
            port,
            lambda: Connection(worker, arrived),
            lambda arriving: seats.is_crowded(worker, counts[worker] + arriving),
        )

    with socket.create_server(("127.0.0.1", 0)) as port, port.dup() as same:
        port.setblocking(False)
        takers = [taking(port, 0), taking(same, 1)]
        for _ in range(16):
            _, writer = await asyncio.open_connection(*port.getsockname())
            worker, transport = await asyncio.wait_for(arrived.get(), 30)
            counts[worker] += 1
            writer.close()
            transport.close()
        for taker in takers:
            taker.close()
            await taker.wait_closed()
    assert abs(counts[0] - counts[1]) <= 2


async def test_a_crowded_worker_takes_what_nobody_else_does() -> None:
    seats = Seats.of(2)
    assert not seats.is_crowded(1, 0)
    arrived: Arrived = asyncio.Queue()
    with socket.create_server(("127.0.0.1", 0)) as port:
        port.setblocking(False)
        taker = Taking(port, lambda: Connection(0, arrived), lambda _: seats.is_crowded(0, 5))
        _, writer = await asyncio.open_connection(*port.getsockname())
        _, transport = await asyncio.wait_for(arrived.get(), 30)
        taker.close()
    writer.close()
    transport.close()


async def test_what_is_taken_in_the_instant_of_the_end_is_not_hung_up_on() -> None:
    arrived: Arrived = asyncio.Queue()
    with socket.create_server(("127.0.0.1", 0)) as port:
        port.setblocking(False)

        def ends(_: int) -> bool:
            taker.close()
            return False

        taker = Taking(port, lambda: Connection(0, arrived), ends)
        _, writer = await asyncio.open_connection(*port.getsockname())
        _, transport = await asyncio.wait_for(arrived.get(), 30)
        await asyncio.sleep(0)
        assert not transport.is_closing()
    writer.close()
    transport.close()
