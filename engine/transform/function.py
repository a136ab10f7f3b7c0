"""A function of the user's own over columns, run from its sealed text and from nothing else."""

import linecache
import sys
import traceback
from collections.abc import Callable, Mapping
from types import ModuleType
from typing import Any

import numpy as np

from engine.errors import CdmlError
from engine.transform.columns import Array, ColumnError, Columns, RowError
from engine.transform.projection import bad


class BrokenError(Exception):
    """The function failed by itself, whatever its rows; the text says how."""


class Function:
    """A function ready to be called: columns in, columns out."""

    def __init__(self, name: str, text: str, digest: str) -> None:
        self._name = name
        self._call = _found(name, text, digest)

    def __call__(self, columns: Mapping[str, Array], size: int) -> Columns:
        """Return what the function returns; RowError for a value that it refuses by ValueError."""
        given = {name: column.copy() for name, column in columns.items()}
        for column in given.values():
            column.flags.writeable = False
        before = list(given)
        try:
            with np.errstate(all="ignore"):
                found = self._call(given)
        except (CdmlError, MemoryError):
            raise
        except (ValueError, ArithmeticError) as e:
            if "read-only" in str(e):
                raise BrokenError(
                    "it changes a column that it was given. Make a new one: columns[...].copy()"
                ) from e
            raise RowError(self._faulty(columns, size), _said(e)) from e
        except Exception as e:  # foreign code: whatever it raises is about the function
            traceback.print_exc()
            raise BrokenError(f"it raised {_said(e)}") from e
        if found is given and list(given) == before:
            raise BrokenError("it returned what it was given. Return a dict with what is new")
        if not isinstance(found, Mapping) or not all(isinstance(n, str) for n in found):
            raise BrokenError(
                f"it returned {type(found).__name__}. Return a dict of columns by their names"
            )
        return dict(found)

    def _faulty(self, columns: Mapping[str, Array], size: int) -> int:
        """Return the first row that the function refuses, by halves."""
        low, high = 0, size
        while high - low > 1:
            middle = (low + high) // 2
            try:
                with np.errstate(all="ignore"):
                    self._call({n: c[low:middle].copy() for n, c in columns.items()})
            except (ValueError, ArithmeticError):
                high = middle
            else:
                low = middle
        return low


def _found(name: str, text: str, digest: str) -> Callable[[dict[str, Array]], Any]:
    """Return the function that a text makes, in a module of its own that no import finds."""
    _, _, function = name.partition(":")
    own = f"cdml_transform_{digest[:16]}"
    module = ModuleType(own)
    file = f"<{name} {digest[:12]}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    try:
        sys.modules[own] = module  # as dataclasses and their like look for it
        exec(compile(text, file, "exec"), module.__dict__)  # noqa: S102 - sealed with the version
    except (CdmlError, MemoryError):
        raise
    except Exception as e:
        traceback.print_exc()
        where = f", line {e.lineno}" if isinstance(e, SyntaxError) else ""
        raise bad(name, f"running its file raised {_said(e)}{where}. Mend it") from e
    made = getattr(module, function, None)
    if not callable(made):
        raise bad(name, f'its file has no function "{function}". Write one, or mend the name')
    called: Callable[[dict[str, Array]], Any] = made
    return called


def _said(e: BaseException) -> str:
    said = " ".join(str(e).split())[:200]
    return f"{type(e).__name__}: {said}" if said else type(e).__name__


__all__ = ["BrokenError", "ColumnError", "Function"]
