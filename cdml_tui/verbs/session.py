"""What every one-shot verb is handed: the engine's client, the arguments, how to answer."""

import argparse
import sys
from collections.abc import Callable
from difflib import get_close_matches
from functools import cached_property

from cdml_tui import location
from cdml_tui.client import Client, ConsoleError

_PATIENCE_S = 15.0  # a promotion answers only once serving has loaded the version


class Session:
    """One command being carried out. The workspace is looked for at first use."""

    def __init__(self, args: argparse.Namespace) -> None:
        self.args = args
        self.json = bool(args.json)

    @cached_property
    def client(self) -> Client:
        """Return the client of the workspace's engine."""
        # httpx imports its own command line, and with it rich, click and pygments: 40 ms that no
        # one-shot verb needs. With None here that import fails, which httpx expects.
        sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
        socket = location.find(self.args.workspace) / "run" / "engine.sock"
        return Client(socket, timeout=_PATIENCE_S)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if "client" in self.__dict__:
            self.client.close()

    @cached_property
    def models(self) -> list[str]:
        """Return the names of the engine's models."""
        return [m.model for m in self.client.status().models]

    def model(self) -> str:
        """Return the model that is meant; it may be left out where there is one."""
        named: str | None = self.args.model
        return named if named is not None else self._only("MODEL")

    def model_and(
        self, rest: list[str], fits: Callable[[list[str]], bool]
    ) -> tuple[str, list[str]]:
        """Split "[MODEL] WORD..."; MODEL may be left out where there is one and the words fit."""
        if len(rest) > 1 and fits(rest[1:]) and not fits(rest):
            return rest[0], rest[1:]
        if rest and rest[0] in self.models:
            return rest[0], rest[1:]
        if len(self.models) == 1 and fits(rest):
            return self.models[0], rest
        if not rest:
            return self._only("MODEL"), []
        raise self._unknown(rest[0])

    def _only(self, what: str) -> str:
        if len(self.models) == 1:
            return self.models[0]
        known = ", ".join(self.models) or "none"
        raise usage(f"{what} is missing and there is not exactly one model. Models: {known}.")

    def _unknown(self, name: str) -> ConsoleError:
        close = get_close_matches(name, self.models, n=1, cutoff=0.4)
        hint = f'The nearest is "{close[0]}".' if close else f"Models: {', '.join(self.models)}."
        return ConsoleError(
            "unknown_model", f'Looking for model "{name}": there is none. {hint}', "model", 404
        )


def usage(message: str, field: str | None = None) -> ConsoleError:
    """Return the error of a command line that cannot be meant."""
    return ConsoleError("usage", f"Reading the command line: {message}", field, 422)
