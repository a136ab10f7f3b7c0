"""The console: puts screens, keys, feed and client together. Decides nothing.

Every event makes the next Screen value; what is to be done comes back as effects, which run in
threads of their own and answer with messages.
"""

import asyncio
import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from typing import Any

from rich.text import Text
from textual.app import App
from textual.message import Message

from cdml_tui import (
    actions,
    album,
    command_line,
    console_log,
    effects,
    guard,
    offline,
    preferences,
    sending,
    travel,
    turning,
)
from cdml_tui import answers as answered
from cdml_tui.client import Client, ConsoleError, EngineLost
from cdml_tui.effects import Ran
from cdml_tui.feed import SLOW_S, Feed, HeartbeatCame, LinkLost, SnapshotCame
from cdml_tui.history import History
from cdml_tui.keyhelp import VerbHelp
from cdml_tui.reach import action_for
from cdml_tui.request_key import GivenKey
from cdml_tui.screens.frame import shown
from cdml_tui.screens.table import PAGES
from cdml_tui.sheet import Subject
from cdml_tui.state import (
    Intent,
    Screen,
    heartbeat_came,
    link_lost,
    link_of,
    snapshot_came,
)
from cdml_tui.terminal import Terminal, leave_now, let_go
from cdml_tui.widgets.driver import HUNG_UP, LinkDriver, LinkTimed
from cdml_tui.widgets.line_screen import KeyCame, LineScreen, PasteCame, SizeCame
from cdml_tui.widgets.palettes import own_themes
from engine import wire

LEAVE_S = 3.0
RunWords = Callable[[str, tuple[str, ...], GivenKey], Ran]


class Answered(Message):
    """A request to the engine ended; `take` makes the next screen of it."""

    def __init__(self, take: Callable[[Screen, float], effects.Step]) -> None:
        super().__init__()
        self.take = take


class Console(App[int], inherit_bindings=False):
    """The Textual application."""

    ENABLE_COMMAND_PALETTE = False
    CSS = "* { scrollbar-size: 0 0; }"

    def __init__(
        self,
        client: Client,
        screen: Screen,
        *,
        run_words: RunWords | None = None,
        history: History | None = None,
        monotonic: Callable[[], float] = time.monotonic,
        new_token: Callable[[], str] = lambda: uuid.uuid4().hex,
    ) -> None:
        # Said here as well as by the theme: NO_COLOR is looked at before a theme is set.
        super().__init__(ansi_color=True, driver_class=LinkDriver)
        self.animation_level = "none"
        for theme in own_themes():
            self.register_theme(theme)
        # Before the first paint: a change of theme paints everything once more.
        self.set_reactive(App.theme, screen.theme)
        keys = screen.keys or actions.key_rows()
        self.state = replace(screen, keys=keys, at=monotonic())
        self._client = client
        self._run_words = run_words
        self._history = history
        self._monotonic = monotonic
        self._real_time = monotonic is time.monotonic
        self._new_token = new_token
        self._feed = Feed(client, self.post_message, monotonic)
        self._base = LineScreen(lambda w, h: shown(self.state, w, h))
        self._tick_handle: asyncio.TimerHandle | None = None
        self._owed = False

    # ------------------------------------------------------------ life

    def get_default_screen(self) -> LineScreen:
        """Start on the one screen."""
        return self._base

    def on_mount(self) -> None:
        """Begin to listen, to the engine and to the signals that end us."""
        loop = asyncio.get_running_loop()
        if threading.current_thread() is threading.main_thread():
            for sign in (signal.SIGTERM, signal.SIGHUP):
                # Textual leaves the terminal as it is on these two; an ordinary exit restores it.
                loop.add_signal_handler(sign, self._end, 128 + sign)
        self._feed.start()
        self._wind()

    def on_unmount(self) -> None:
        """Stop what was started."""
        self._feed.stop()
        if self._tick_handle is not None:
            self._tick_handle.cancel()

    def _fatal_error(self) -> None:
        """Say in a sentence that the console broke; Textual would show a trace with its locals."""
        fault = sys.exc_info()[1]
        if os.environ.get("CDML_DEBUG") == "1":
            super()._fatal_error()
            return
        said = (
            f"cdml: The console broke ({type(fault).__name__}: {str(fault)[:200]}). The engine and "
            "what it serves are not touched by that: open it again with cdml, or use cdml status. "
            "Run it with CDML_DEBUG=1 to see where, and report that."
        )
        self.panic(Text(said))

    def _end(self, code: int) -> None:
        """Leave in order; where the terminal takes nothing any more, without it."""
        self.exit(code)
        late = threading.Timer(LEAVE_S, leave_now, [code])
        late.daemon = True
        late.start()

    # ------------------------------------------------------------ what comes in

    def on_key_came(self, event: KeyCame) -> None:
        """Let a key act."""
        # These two ask as the key to leave does: they are pressed by habit.
        habit = event.key in ("ctrl+c", "ctrl+q")
        action = actions.named("quit") if habit else action_for(self.state, event.key)
        now = self._monotonic()
        press = guard.Press(
            event.key,
            event.at if self._real_time else now,
            action.name if action else None,
            event.character,
            # The audit keeps the key, and so by which way a change was asked for.
            f"console.{event.key}.{self._new_token()}",
            handled=now,
        )
        self._become(*guard.pressed(self.state, press))

    def on_paste_came(self, event: PasteCame) -> None:
        """Let a paste stop what is pending."""
        self._become(guard.pasted(self.state, self._monotonic(), event.text))

    def on_size_came(self, event: SizeCame) -> None:
        """Take in the size."""
        self._become(turning.resized(self.state, event.width, event.height))

    def on_snapshot_came(self, event: SnapshotCame) -> None:
        """Take in a fresh state."""
        came = snapshot_came(self.state, event.snapshot, event.at)
        self._become(*turning.asked_again(came, soon=False))

    def on_heartbeat_came(self, event: HeartbeatCame) -> None:
        """Take in a sign of life; it is drawn only where it changes what the screen says."""
        before = link_of(self.state)
        self.state = heartbeat_came(self.state, event.at)
        if link_of(self.state) != before:
            self._become(self.state)

    def on_link_lost(self, event: LinkLost) -> None:
        """Take in that the engine is gone."""
        self._become(link_lost(self.state, event.why, event.at, barred=event.barred))

    def on_link_timed(self, event: LinkTimed) -> None:
        """Take in how quickly the terminal takes what is written; draw what it is owed."""
        if event.slow != self.state.slow:
            self._feed.spare(slow=event.slow)
            self._become(replace(self.state, slow=event.slow))
        elif self._owed:
            self._paint()

    def on_answered(self, event: Answered) -> None:
        """Take in what became of a request."""
        self._become(*event.take(self.state, self._monotonic()))

    def tick(self) -> None:
        """Let time pass."""
        self._become(*guard.ticked(self.state, self._monotonic()))

    # ------------------------------------------------------------ what goes out

    def _become(self, state: Screen, effects: tuple[effects.Effect, ...] = ()) -> None:
        before, self.state = self.state, state
        for effect in effects:
            self._carry_out(effect)
        if state.theme != before.theme:
            self.theme = state.theme
        self._paint()
        self._wind()

    def _paint(self) -> None:
        """Draw the state, or owe that to a terminal that has yet to take the frame before."""
        driver = self._driver
        self._owed = isinstance(driver, LinkDriver) and driver.busy
        if not self._owed:
            self._base.redraw()

    def _wind(self) -> None:
        """Set the one timer to the next moment at which time alone changes something."""
        if self._tick_handle is not None:
            self._tick_handle.cancel()
        wait = guard.next_tick_s(self.state)
        if self.state.slow and self.state.bar is None:
            wait = max(wait, SLOW_S)
        if self._real_time:
            loop = asyncio.get_running_loop()
            self._tick_handle = loop.call_later(wait, self.call_later, self.tick)

    def _carry_out(self, effect: effects.Effect) -> None:
        match effect:
            case effects.Quit():
                self.exit(0)
            case effects.Picture():
                self._keep_picture()
            case effects.Fetch():
                self._feed.refresh()
            case effects.Send(intent=intent):
                self._in_thread(lambda: self._send(intent))
            case effects.Prove(model=model, generation=generation):
                self._in_thread(lambda: self._prove(model, generation))
            case effects.Copy(text=text):
                self.copy_to_clipboard(text)
            case effects.Remember(lines=lines):
                if self._history is not None:
                    self._history.keep(lines)
            case effects.AskPast(at=at):
                self._in_thread(lambda: self._ask_past(at))
            case effects.Ask(subject=subject, before=before):
                self._in_thread(lambda: self._ask(subject, before))

    def _keep_picture(self) -> None:
        state = self.state
        page = state.sheets[-1].subject.page if state.sheets else "watch"
        at = state.snapshot.engine.wall if state.snapshot else ""
        name = state.snapshot.workspace if state.snapshot else ""
        try:
            kept = album.keep(self.export_screenshot(), name, page, at[:19].replace(":", ""))
            message = f"picture kept: {kept}"
        except OSError as fault:
            message = f"no picture: {fault.strerror}: {fault.filename}"
        self.state = replace(self.state, message=message)

    def _in_thread(self, ask: Callable[[], Callable[[Screen, float], effects.Step]]) -> None:
        def work() -> None:
            # The console may close while the question is out.
            with suppress(RuntimeError):
                self.post_message(Answered(ask()))

        threading.Thread(target=work, name="ask", daemon=True).start()

    def _send(self, intent: Intent) -> Callable[[Screen, float], effects.Step]:
        """Ask for a change; return what its answer makes of the screen."""
        try:
            if intent.words:
                return self._send_words(intent)
            return sending.send(self._client, intent)
        except EngineLost as lost:
            if intent.verb == "rollback" and not lost.sent:
                return self._send_offline(intent)
            why, was_sent = lost.message, lost.sent
            return lambda s, at: answered.unanswered(s, intent, why, was_sent=was_sent, at=at)
        except ConsoleError as no:
            why, code, status = no.message, no.code, no.status
            if code in ("bad_answer", "unconfirmed", "outcome_unknown"):
                return lambda s, at: answered.unanswered(s, intent, why, was_sent=True, at=at)
            return lambda s, at: answered.refused(s, intent, why, status=status, at=at)
        except Exception as fault:  # noqa: BLE001 - whatever broke, the change may have happened
            why = f"The console failed to ask: {fault!r}."
            return lambda s, at: answered.unanswered(s, intent, why, was_sent=True, at=at)

    def _send_words(self, intent: Intent) -> Callable[[Screen, float], effects.Step]:
        """Carry out a line that has no key; without an idempotency key it is not asked again."""
        key = GivenKey(intent.idempotency_key)
        try:
            ran = self._ran(intent.words, key)
        except EngineLost as lost:
            if not lost.sent or key.used:
                raise
            why = lost.message
            return lambda s, at: answered.words_lost(s, intent, why, at)
        return lambda s, at: answered.words_answered(s, intent, ran, at)

    def _ran(self, words: tuple[str, ...], key: GivenKey) -> Ran:
        if self._run_words is None:
            raise ConsoleError("no_command_line", "This console has no command line.")
        return self._run_words(self.state.path, words, key)

    def _send_offline(self, intent: Intent) -> Callable[[Screen, float], effects.Step]:
        """Roll back without the engine: the ledger and the prediction service are enough."""
        try:
            answer, doubt = offline.roll_back(self.state.path, intent)
        except ConsoleError as no:
            why = no.message
            return lambda s, at: answered.refused(s, intent, why, status=409, at=at)
        return lambda s, at: answered.offline_answered(s, intent, answer, doubt, at)

    def _ask_past(self, moment: str) -> Callable[[Screen, float], effects.Step]:
        try:
            state = self._client.state(moment)
        except ConsoleError as no:
            why = no.message
            return lambda s, _: (travel.not_came(s, moment, why), ())
        except Exception as fault:  # noqa: BLE001 - the present is shown, and why not the past
            why = f"The console failed to ask: {fault!r}."
            return lambda s, _: (travel.not_came(s, moment, why), ())
        return lambda s, _: (travel.came(s, moment, state), ())

    def _ask(self, subject: Subject, before: Any) -> Callable[[Screen, float], effects.Step]:
        """Ask for what a page shows; return what the answer makes of the screen."""
        page = PAGES[subject.page]
        try:
            if subject.page == "output":
                words = command_line.words_of(subject.id)
                value: Any = self._ran(tuple(words), GivenKey(self._new_token()))
            elif page.renew is not None and before is not None:
                value = page.renew(self._client, subject, before)
            else:
                value = page.ask(self._client, subject) if page.ask else None
        except ConsoleError as no:
            why = no.message
            return lambda s, _: (turning.not_came(s, subject, why), ())
        except Exception as fault:  # noqa: BLE001 - a page that cannot be had says so, and stays
            why = f"The console failed to ask: {fault!r}."
            return lambda s, _: (turning.not_came(s, subject, why), ())
        return lambda s, at: (turning.came(s, subject, value, at), ())

    def _prove(self, model: str, generation: int) -> Callable[[Screen, float], effects.Step]:
        try:
            proof: wire.Proof | None = self._client.proof(model, generation)
        except Exception:  # noqa: BLE001 - no proof is what is shown, and it is asked for again
            proof = None
        return lambda s, at: answered.proof_came(s, proof, at)


def run(
    client: Client,
    workspace_path: str,
    *,
    verbs: tuple[VerbHelp, ...] = (),
    run_words: RunWords | None = None,
    on_exit: Callable[[], None] | None = None,
) -> int:
    """Open the console on a workspace; return the exit code."""
    terminal = Terminal()
    console_log.begin()
    try:
        liked, history = preferences.read(), History()
        screen = Screen(
            path=str(workspace_path),
            glyphs=liked.glyphs or terminal.glyphs(),
            theme=liked.theme or terminal.theme(),
            keys=actions.key_rows(liked.keys),
            verbs=verbs,
            history=history.lines(),
            message=liked.warning,
        )
        console = Console(client, screen, run_words=run_words, history=history)
        with terminal.guarded():
            code = console.run(mouse=False)
        if code == HUNG_UP:
            let_go()
        return 1 if code is None else code
    finally:
        client.close()
        if on_exit is not None:
            on_exit()
