"""A transformation ready to run: raw columns in, what a recipe sees out, written either way.

Training, validation and serving all run this and nothing else.
"""

from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

from engine.domain.schema import Kind
from engine.transform import columns as forms
from engine.transform.columns import ColumnError, Columns
from engine.transform.function import BrokenError, Function
from engine.transform.projection import bad
from engine.transform.sealed import Sealed, Source
from engine.transform.sql import Query


class Transformation:
    """Runs a source over rows of the contract's kinds; one call at a time.

    With `known`, only these columns are computed, and they must be of these kinds.
    """

    def __init__(
        self, source: Source, kinds: Mapping[str, Kind], known: Mapping[str, Kind] | None = None
    ) -> None:
        source.check()
        self.source = source
        self.kinds = dict(kinds)
        self._known = None if known is None else dict(known)
        self._lock = Lock()
        self._run: Query | Function
        if source.kind == "sql":
            only = None if known is None else list(known)
            self._run = Query(source.name, source.text, kinds, only)
        else:
            self._run = Function(source.name, source.text, source.digest)

    def __call__(
        self, raw: Mapping[str, Sequence[Any]], known: Mapping[str, Kind] | None = None
    ) -> tuple[dict[str, Kind], Columns]:
        """Return the columns made of raw ones, with their kinds, which may be known already.

        RowError where a row cannot be taken, InvalidError where the transformation is at fault.
        """
        size = len(raw[next(iter(self.kinds))])
        given = forms.taken(self.kinds, raw)
        with self._lock:
            try:
                made = self._run(given, size)
                return self._checked(made, size, self._known or known)
            except (BrokenError, ColumnError) as e:
                raise bad(self.source.name, f"on {size} rows {e}") from e

    def _checked(
        self, made: Mapping[str, Any], size: int, known: Mapping[str, Kind] | None
    ) -> tuple[dict[str, Kind], Columns]:
        wanted = list(made if known is None else known)
        missing = [name for name in wanted if name not in made]
        if missing or not wanted:
            which = f'column "{missing[0]}"' if missing else "column"
            raise ColumnError(f"there is no {which} among what it returned. Return each one")
        kinds: dict[str, Kind] = {}
        found: Columns = {}
        for name in wanted:
            if not name.strip() or not name.isprintable():
                raise ColumnError(f"a column is called {name!r}. Give it a name that can be read")
            kind = self._declared(name) if known is None else known[name]
            kinds[name], found[name] = forms.given(name, made[name], size, kind)
        return kinds, found

    def _declared(self, name: str) -> Kind | None:
        """Return what a query says a column is; a function says nothing beforehand."""
        return self._run.kinds[name] if isinstance(self._run, Query) else self.kinds.get(name)


def derived_only(sealed: Sealed, kinds: Mapping[str, Kind]) -> Transformation:
    """Return a version's own transformation, which computes what is not raw."""
    return Transformation(sealed.source, kinds, {f.name: f.kind for f in sealed.derived})
