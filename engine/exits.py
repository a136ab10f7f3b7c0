"""How a command of `python -m engine` ends: its exit code, its error on stderr, never a trace."""

import argparse
import os
import sys
import traceback
from collections.abc import Callable
from typing import NoReturn

import msgspec

from engine.errors import CdmlError, ConflictError, InvalidError, RefusedError, UnavailableError
from engine.wire import ErrorAnswer, ErrorBody

_CODES: tuple[tuple[type[CdmlError], int], ...] = (
    (ConflictError, 5),
    (RefusedError, 4),
    (UnavailableError, 3),
    (InvalidError, 2),
)


def guarded(act: Callable[[], int], *, as_json: bool) -> int:
    """Run a command; return its exit code, or that of the error it told the operator about."""
    try:
        return act()
    except CdmlError as e:
        tell(ErrorBody(e.code, e.message, e.field), as_json=as_json)
        return next((code for kind, code in _CODES if isinstance(e, kind)), 1)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:
        # Whoever read our answer has gone; nothing more can be said to them.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except PermissionError as e:
        message = (
            f'Running the command: {e.strerror} on "{e.filename}". Run it as the user of the '
            "workspace, or have that user give you the right."
        )
        tell(ErrorBody("no_permission", message), as_json=as_json)
        return 3
    except Exception as e:  # noqa: BLE001 - the edge of the command: no trace reaches the operator
        if os.environ.get("CDML_DEBUG") == "1":
            traceback.print_exc()
        message = (
            f"Running the command: something unforeseen happened ({type(e).__name__}: "
            f"{str(e)[:200]}). Run it again with CDML_DEBUG=1 to see where, and report that."
        )
        tell(ErrorBody("unforeseen", message), as_json=as_json)
        return 1


def tell(error: ErrorBody, *, as_json: bool) -> None:
    """Write an error to stderr, as one JSON object or as one sentence."""
    # A name typed in another encoding holds surrogates, which no JSON can carry, and one in a file
    # whatever somebody wrote there, which no terminal is to obey.
    plain = (c if c.isprintable() or c == "\n" else ascii(c)[1:-1] for c in error.message)
    message = "".join(plain)
    body = ErrorAnswer(msgspec.structs.replace(error, message=message))
    text = msgspec.json.encode(body).decode() if as_json else f"cdml: {message}"
    sys.stderr.write(text + "\n")


class Arguments(argparse.ArgumentParser):
    """An argument parser whose errors are InvalidError, so that --json is heeded there too."""

    def error(self, message: str) -> NoReturn:
        """Raise InvalidError instead of writing the usage."""
        raise InvalidError(
            f"Reading the command line of {self.prog}: {message}. See {self.prog} --help.",
            code="usage",
        )
