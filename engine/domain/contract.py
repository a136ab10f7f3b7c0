"""A version's contract applied: columns as a client sent them to the floats an estimator takes.

Checking and encoding are one pass. Numbers stay, booleans become 0 and 1, a category becomes its
place in the contract; a null and an unseen category become NaN, as they did in training.
"""

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from engine.domain.schema import Feature, Kind, Schema
from engine.errors import InvalidError

Column = Sequence[object]

# Estimators compute in 32-bit floats; whole numbers are logged in 64 bits.
LARGEST = 3.4028234e38
LARGEST_INT = 2**63 - 1
NAN = float("nan")


@dataclass(slots=True)
class Checked:
    """Columns in the contract's order, and by row what is unusual in it; most rows have nothing.

    A null that training never saw is refused, or with `flag_nulls` answered and flagged. `places`
    says which rows of the request these are; all by default.
    """

    flag_nulls: bool = False
    places: Sequence[int] = ()
    columns: list[list[float]] = field(default_factory=list)
    flags: dict[int, list[str]] = field(default_factory=dict)

    def flag(self, at: int, kind: str, name: str) -> None:
        """Note of a row that a feature is unusual in it."""
        self.flags.setdefault(at, []).append(f"{kind}:{name}")


class Contract:
    """Reads columns as one version takes them.

    `answerable` names the features whose null the estimator itself answers; all by default.
    `what` is what messages call a column of it.
    """

    def __init__(
        self, schema: Schema, answerable: frozenset[str] | None = None, what: str = "feature"
    ) -> None:
        self.names = schema.names
        self._known = frozenset(schema.names)
        taken = self._known if answerable is None else answerable
        self._readers = [_READERS[f.kind](f, f.name in taken, what) for f in schema.features]

    def check_names(self, names: Collection[str], at: int = 0) -> None:
        """Raise InvalidError unless the features of row `at` are just the contract's."""
        for name in self.names:
            if name not in names:
                raise InvalidError(
                    f'Reading row {at + 1}: feature "{name}" is missing. '
                    f"Send all of: {', '.join(self.names)}.",
                    code="missing_feature",
                    field=name,
                )
        if len(names) > len(self.names):
            unknown = next(name for name in names if name not in self._known)
            raise InvalidError(
                f'Reading row {at + 1}: feature "{unknown[:80]}" is not known to this version. '
                f"It takes: {', '.join(self.names)}.",
                code="unknown_feature",
                field=unknown[:80],
            )

    def read(
        self, columns: Mapping[str, Column], *, flag_nulls: bool = False, places: Sequence[int] = ()
    ) -> Checked:
        """Check and encode; InvalidError names the first feature that is wrong."""
        checked = Checked(flag_nulls, places)
        checked.columns = [r.read(columns[r.feature.name], checked) for r in self._readers]
        return checked


class _Reader(ABC):
    """Reads one feature's column; `null_answered` says whether the estimator takes its null."""

    def __init__(self, feature: Feature, null_answered: bool, what: str) -> None:  # noqa: FBT001
        self.feature = feature
        self._what = what
        self._null_answered = null_answered

    @abstractmethod
    def read(self, values: Column, checked: Checked) -> list[float]:
        """Return the column as floats."""

    def _null(self, at: int, checked: Checked) -> float:
        if not self.feature.nullable:
            if not (checked.flag_nulls and self._null_answered):
                raise self._wrong(checked, at, "null", "training never saw a null here")
            checked.flag(at, "null", self.feature.name)
        return NAN

    def _wrong(self, checked: Checked, at: int, found: str, expected: str) -> InvalidError:
        row = checked.places[at] if checked.places else at
        return InvalidError(
            f'Reading {self._what} "{self.feature.name}" of row {row + 1}: found {found[:40]}, '
            f"{expected}.",
            code="wrong_type",
            field=self.feature.name,
        )


class _Numbers(_Reader):
    def __init__(self, feature: Feature, null_answered: bool, what: str) -> None:  # noqa: FBT001
        super().__init__(feature, null_answered, what)
        self._low = -LARGEST if feature.low is None else feature.low
        self._high = LARGEST if feature.high is None else feature.high
        # Within these a number needs no second look: in range, finite, and of 64 bits.
        self._usual = max(self._low, -(2.0**62)), min(self._high, 2.0**62)

    def read(self, values: Column, checked: Checked) -> list[float]:
        low, high = self._usual
        found: list[float] = []
        for at, value in enumerate(values):
            kind = type(value)
            if (kind is float or kind is int) and low <= value <= high:  # type: ignore[operator]
                found.append(value)  # type: ignore[arg-type]
            else:
                found.append(self._unusual(at, value, checked))
        return found

    def _unusual(self, at: int, value: object, checked: Checked) -> float:
        if value is None:
            return self._null(at, checked)
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(checked, at, repr(value), "a number is expected")
        if isinstance(value, int) and not -(2**63) <= value < 2**63:
            raise self._wrong(checked, at, "a larger one", "a whole number of 64 bits is expected")
        if not abs(value) <= LARGEST:
            raise self._wrong(checked, at, repr(value), "a finite number within 3.4e38 is expected")
        if not self._low <= value <= self._high:
            checked.flag(at, "range", self.feature.name)
        return value


class _Categories(_Reader):
    def __init__(self, feature: Feature, null_answered: bool, what: str) -> None:  # noqa: FBT001
        super().__init__(feature, null_answered, what)
        self._places = {name: float(at) for at, name in enumerate(feature.categories)}

    def read(self, values: Column, checked: Checked) -> list[float]:
        places = self._places
        return [
            places[value]
            if type(value) is str and value in places
            else self._unusual(at, value, checked)
            for at, value in enumerate(values)
        ]

    def _unusual(self, at: int, value: object, checked: Checked) -> float:
        if value is None:
            return self._null(at, checked)
        if not isinstance(value, str):
            raise self._wrong(checked, at, repr(value), "a string is expected")
        if not self._null_answered:
            raise self._wrong(
                checked, at, repr(value), "only a category seen in training is answered"
            )
        checked.flag(at, "unseen", self.feature.name)
        return NAN


class _Booleans(_Reader):
    def read(self, values: Column, checked: Checked) -> list[float]:
        found: list[float] = []
        for at, value in enumerate(values):
            if value is None:
                found.append(self._null(at, checked))
            elif isinstance(value, bool):
                found.append(1.0 if value else 0.0)
            else:
                raise self._wrong(checked, at, repr(value), "true or false is expected")
        return found


_READERS: dict[Kind, type[_Reader]] = {
    Kind.NUMERIC: _Numbers,
    Kind.CATEGORICAL: _Categories,
    Kind.BOOLEAN: _Booleans,
}
