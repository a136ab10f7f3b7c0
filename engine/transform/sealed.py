"""A transformation as a version keeps it: its text and digest, its columns, rows to prove it on."""

import hashlib
from typing import Any, Literal

import msgspec

from engine.domain.schema import Feature, Schema
from engine.errors import CorruptError


class Source(msgspec.Struct, frozen=True):
    """What a transformation is: a SELECT, or the file of a function and that function's name."""

    kind: Literal["sql", "python"]
    name: str
    text: str
    digest: str

    def check(self) -> None:
        """Raise CorruptError where the text is not the one that the digest was made of."""
        if _digest(self.kind, self.name, self.text) != self.digest:
            raise CorruptError(
                f'Loading the transformation "{self.name}": its text does not have the recorded '
                f"digest {self.digest[:12]}. It was not run and what serves stays. Restore the "
                "version from a backup, or train again.",
                code="artifact_corrupt",
            )


class Sealed(msgspec.Struct, frozen=True):
    """What a version was trained through: raw columns kept, derived ones, and its own proof.

    The estimator takes `kept` in the contract's order, then `derived`. `columns` are the derived
    columns of `probes` as training computed them, a list each.
    """

    source: Source
    kept: list[str]
    derived: list[Feature]
    probes: list[dict[str, Any]]
    columns: list[list[float | bool | str | None]]

    def inputs(self, raw: Schema) -> Schema:
        """Return what the estimator takes, of the contract that clients keep to."""
        kept = [f for f in raw.features if f.name in self.kept]
        return Schema((*kept, *self.derived))


def source(kind: Literal["sql", "python"], name: str, text: str) -> Source:
    """Return a source with its digest."""
    return Source(kind, name, text, _digest(kind, name, text))


def _digest(kind: str, name: str, text: str) -> str:
    """Return the sha256 of a text; of a file of Python also of which function is meant."""
    function = name.partition(":")[2] if kind == "python" else ""
    return hashlib.sha256(f"{kind}\0{function}\0{text}".encode()).hexdigest()
