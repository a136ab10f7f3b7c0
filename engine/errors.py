"""The tree of errors. Knows no HTTP; api and serving translate each family in one table.

    CdmlError
    ├── RefusedError      a rule says no                        (409, exit 4)
    │   └── ConflictError the world is not as the caller expected (409, exit 5)
    ├── InvalidError      what you sent or delivered is wrong    (422, exit 2)
    │   └── UnknownError  it names something that does not exist (404, exit 2)
    ├── UnavailableError  something outside is not there         (503, exit 3)
    └── CorruptError      our stored state fails its own check   (500, exit 1)

A message has three parts: what was attempted on which thing, what was found, what to do next.
"""

import copyreg
from typing import Any


class CdmlError(Exception):
    """Root of all errors that a person may read; `code` is stable, `field` names the culprit."""

    def __init__(self, message: str, *, code: str, field: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.code = code
        self.field = field

    def __reduce__(self) -> tuple[Any, ...]:
        """Cross whole from one process of a pool to another."""
        return copyreg.__newobj__, (type(self), *self.args), self.__dict__  # type: ignore[attr-defined]


class RefusedError(CdmlError):
    """A rule says no."""


class ConflictError(RefusedError):
    """The world is not as the caller expected; the message says how it is."""


class InvalidError(CdmlError):
    """What was sent or delivered does not fit."""


class UnknownError(InvalidError):
    """A name that does not exist here."""


class UnavailableError(CdmlError):
    """Something outside this process is not there."""


class CorruptError(CdmlError):
    """Stored state fails its own check: stop and say so."""
