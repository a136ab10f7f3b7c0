"""The contract of a version: which features it takes, of which kind, as seen in training."""

import math
from dataclasses import dataclass
from enum import StrEnum

from engine.errors import InvalidError


class Kind(StrEnum):
    """What a feature's values are."""

    NUMERIC = "numeric"
    BOOLEAN = "boolean"
    CATEGORICAL = "categorical"


@dataclass(frozen=True, slots=True)
class Feature:
    """One feature; `low` and `high` are the range seen in training, for numbers only."""

    name: str
    kind: Kind
    nullable: bool
    low: float | None = None
    high: float | None = None
    categories: tuple[str, ...] = ()

    def check(self, value: object) -> None:
        """Raise InvalidError for a value of the wrong type or a null that training never saw."""
        if value is None:
            if not self.nullable:
                raise self._wrong("null", "training never saw a null here")
        elif self.kind is Kind.CATEGORICAL:
            if not isinstance(value, str):
                raise self._wrong(value, "a string is expected")
        elif self.kind is Kind.BOOLEAN:
            if not isinstance(value, bool):
                raise self._wrong(value, "true or false is expected")
        elif isinstance(value, bool) or not isinstance(value, int | float):
            raise self._wrong(value, "a number is expected")
        elif not _finite(value):
            raise self._wrong(value, "a finite number is expected")

    def _wrong(self, value: object, expected: str) -> InvalidError:
        shown = repr(value)[:40]
        return InvalidError(
            f'Reading feature "{self.name}": found {shown}, {expected}.',
            code="wrong_type",
            field=self.name,
        )

    def flags(self, value: object) -> list[str]:
        """Name what is unusual but answered: unseen categories and values out of range."""
        if value is None:
            return []
        if self.kind is Kind.CATEGORICAL:
            return [] if value in self.categories else [f"unseen:{self.name}"]
        if self.kind is Kind.NUMERIC and self.low is not None and self.high is not None:
            inside = isinstance(value, int | float) and self.low <= value <= self.high
            return [] if inside else [f"range:{self.name}"]
        return []


@dataclass(frozen=True, slots=True)
class Schema:
    """The features in the order the estimator takes them."""

    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the feature names in order."""
        return tuple(f.name for f in self.features)

    def check(self, row: dict[str, object]) -> list[str]:
        """Check one row and return its flags; InvalidError names the first field that is wrong."""
        for feature in self.features:
            if feature.name not in row:
                raise InvalidError(
                    f'Reading a row: feature "{feature.name}" is missing. '
                    f"Send all of: {', '.join(self.names)}.",
                    code="missing_feature",
                    field=feature.name,
                )
        if len(row) > len(self.features):
            unknown = next(name for name in row if name not in set(self.names))
            raise InvalidError(
                f'Reading a row: feature "{unknown[:80]}" is not known to this version. '
                f"It takes: {', '.join(self.names)}.",
                code="unknown_feature",
                field=unknown[:80],
            )
        flags: list[str] = []
        for feature in self.features:
            value = row[feature.name]
            feature.check(value)
            flags += feature.flags(value)
        return flags


def _finite(value: float) -> bool:
    """Say whether a number can be computed with and logged; whole ones are kept in 64 bits."""
    return -(2**63) <= value < 2**63 if isinstance(value, int) else math.isfinite(value)
