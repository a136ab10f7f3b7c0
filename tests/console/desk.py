"""An operator's desk without a terminal: the pure state machine, keys, and a clock one can turn."""

from dataclasses import replace
from typing import Any

import flights

from cdml_tui import actions, effects, guard
from cdml_tui.arguments import verb_rows
from cdml_tui.reach import action_for
from cdml_tui.state import Screen, heartbeat_came, snapshot_came
from engine import wire


class Desk:
    """A screen that has shown the same fresh state for ten seconds."""

    def __init__(self, state: wire.State | None = None) -> None:
        start = Screen(path="/srv/flights", keys=actions.key_rows(), verbs=verb_rows())
        self.at = 10.0
        self.screen = snapshot_came(start, state or flights.state(), 0.0)
        self.screen = replace(heartbeat_came(self.screen, 10.0), at=10.0)
        self.effects: list[effects.Effect] = []
        self.tokens = 0

    def press(self, key: str, after: float = 0.5, *, fresh: bool = True) -> "Desk":
        self.wait(after, fresh=fresh)
        action = action_for(self.screen, key)
        self.tokens += 1
        press = guard.Press(
            key,
            self.at,
            action.name if action else None,
            key if len(key) == 1 else "",
            f"token-{self.tokens}",
        )
        return self.take(guard.pressed(self.screen, press))

    def type(self, text: str) -> "Desk":
        for c in text:
            self.press(c, 0.2)
        return self

    def wait(self, seconds: float, *, fresh: bool = True) -> "Desk":
        self.at = round(self.at + seconds, 6)
        if fresh:
            self.screen = heartbeat_came(self.screen, self.at)
        return self.take(guard.ticked(self.screen, self.at))

    def take(self, step: effects.Step) -> "Desk":
        self.screen, effects = step
        self.effects += effects
        return self

    def select(self, version: str) -> "Desk":
        self.press("g")
        for _ in range(10):
            if self.screen.selected == version:
                return self.wait(1.5)
            self.press("j")
        raise AssertionError(version)

    def line(self, text: str) -> "Desk":
        """Type a command and enter it."""
        return self.press(":").type(text).press("enter")

    def replaced(self, **values: Any) -> Screen:
        return replace(self.screen, **values)

    @property
    def sent(self) -> list[effects.Send]:
        return [e for e in self.effects if isinstance(e, effects.Send)]
