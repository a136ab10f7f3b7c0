"""The contract of a version: which features it takes, of which kind, as seen in training."""

from dataclasses import dataclass
from enum import StrEnum


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


@dataclass(frozen=True, slots=True)
class Schema:
    """The features in the order the estimator takes them."""

    features: tuple[Feature, ...]

    @property
    def names(self) -> tuple[str, ...]:
        """Return the feature names in order."""
        return tuple(f.name for f in self.features)
