"""What may be wrong with a delivered batch, from where it is told, and from where it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rule:
    """One check: from which value it is told, from which it is refused, and the next step.

    None stands for never. Values are shares of rows, beyond what was usual where that is known.
    """

    warn: float | None
    refuse: float | None
    next: str


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "nulls": Rule(0.1, 0.25, "Ask who fills the column"),
        "labels missing": Rule(0.1, 0.25, "Deliver the rows when their outcome is known"),
        "far out": Rule(0.0, 0.01, "Look for a changed unit or a filler like -999"),
        "unseen": Rule(0.05, 0.25, "See whether codes were renamed"),
        "repeated": Rule(0.01, 0.1, "Deliver each row once"),
        "contradictions": Rule(0.0, 0.005, "Find out which label is right"),
        "restated": Rule(0.005, 0.05, "Find out why outcomes that were known are others now"),
        "future": Rule(0.0, 0.01, "Check the clock and the time zone of whoever makes the file"),
        "early labels": Rule(0.01, 0.5, "Check the time zones of both time columns"),
        "unordered": Rule(0.01, None, "Nothing is lost: rows are put in order of time"),
        "label rate": Rule(0.05, 0.25, "See whether the outcome is still counted the same way"),
        "moved": Rule(0.5, None, "Compare with cdml drift whether live rows moved as well"),
        "rows": Rule(0.0, None, "See whether the file is whole"),
        "unit": Rule(None, -1.0, "Ask whether the unit was changed on purpose"),
        "leak": Rule(None, 0.0, "Leave it out with exclude if it is known only with the outcome"),
        "one class": Rule(None, 0.0, "Deliver rows of all outcomes"),
        "new class": Rule(None, 0.0, "Check how the outcome is written"),
        "zones": Rule(None, 0.0, "Write every time with its zone, or none"),
        "poisoned": Rule(None, 0.0, "Have the named rows checked by whoever labels them"),
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found: its value, and the sentence that says so."""

    check: str
    value: float
    said: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """Why a batch is refused, and what is to be told of it; neither: it is accepted."""

    refused: list[str]
    warnings: list[str]


def judged(found: Sequence[Found]) -> Verdict:
    """Return the verdict on what was found; a person decides about what is refused."""
    refused, warnings = [], []
    for one in found:
        rule = RULES[one.check]
        sentence = f"{one.said}. {rule.next}."
        if rule.refuse is not None and one.value > rule.refuse:
            refused.append(sentence)
        elif rule.warn is not None and one.value > rule.warn:
            warnings.append(sentence)
    return Verdict(refused, warnings)
