"""What may be wrong with a delivered batch, from where it is told, and from where it is refused."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True)
class Rule:
    """One check: from which value it is told, from which it is refused, and the next step.

    None stands for never. Values are shares of rows, or times the limit that the check has worked
    out for itself. Those with `usual` are beyond what was usual and may be mistaken about an honest
    batch; the rest are facts.
    """

    warn: float | None
    refuse: float | None
    next: str
    usual: bool = False


RULES: Mapping[str, Rule] = MappingProxyType(
    {
        "nulls": Rule(0.1, 0.25, "Ask who fills the column", usual=True),
        "labels missing": Rule(
            0.1, 0.25, "Deliver the rows when their outcome is known", usual=True
        ),
        "far out": Rule(0.0, 0.01, "Look for a changed unit or a filler like -999", usual=True),
        "unseen": Rule(0.05, 0.25, "See whether codes were renamed", usual=True),
        "repeated": Rule(0.01, 0.1, "Deliver each row once", usual=True),
        "contradictions": Rule(0.0, 0.005, "Find out which label is right"),
        "restated": Rule(0.005, 0.05, "Find out why outcomes that were known are others now"),
        "future": Rule(0.0, 0.01, "Check the clock and the time zone of whoever makes the file"),
        "early labels": Rule(0.01, 0.5, "Check the time zones of both time columns"),
        "unordered": Rule(0.01, None, "Nothing is lost: rows are put in order of time"),
        "label rate": Rule(
            0.05, 0.25, "See whether the outcome is still counted the same way", usual=True
        ),
        "moved": Rule(
            0.5, None, "Compare with cdml drift whether live rows moved as well", usual=True
        ),
        "rows": Rule(0.0, None, "See whether the file is whole"),
        "unit": Rule(0.0, 1.0, "Ask whether the unit was changed on purpose", usual=True),
        "leak": Rule(None, 0.0, "Leave it out with exclude if it is known only with the outcome"),
        "one class": Rule(None, 0.0, "Deliver rows of all outcomes"),
        "new class": Rule(None, 0.0, "Check how the outcome is written"),
        "zones": Rule(None, 0.0, "Write every time with its zone, or none"),
        "trigger": Rule(
            0.8, 1.0, "Have the named values explained by whoever makes the rows", usual=True
        ),
        "poisoned": Rule(
            0.8, 1.0, "Have the named rows checked by whoever labels them", usual=True
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Found:
    """What a check found: its value, the sentence that says so, and some of the rows, by name."""

    check: str
    value: float
    said: str
    column: str | None = None
    rows: Sequence[str] = ()


@dataclass(frozen=True, slots=True)
class Weighed:
    """A finding that is told: whether it alone sets the batch aside, and the next step."""

    found: Found
    refuses: bool
    next: str

    @property
    def sentence(self) -> str:
        """Say what was found, in which rows, and what to do."""
        rows = f" ({', '.join(self.found.rows)})" if self.found.rows else ""
        return f"{self.found.said}{rows}. {self.next}."


@dataclass(frozen=True, slots=True)
class Verdict:
    """All that is to be told of a batch; with nothing that refuses, it is accepted."""

    told: list[Weighed]

    @property
    def refused(self) -> list[str]:
        """Return why it is set aside."""
        return [w.sentence for w in self.told if w.refuses]

    @property
    def warnings(self) -> list[str]:
        """Return what is only told."""
        return [w.sentence for w in self.told if not w.refuses]


def judged(found: Sequence[Found], eased: float = 1.0) -> Verdict:
    """Return the verdict on what was found; a person decides about what is refused.

    What was usual bounds some checks: beyond it they refuse only from `eased` times their limit on.
    """
    told = []
    for one in found:
        rule = RULES[one.check]
        limit = None if rule.refuse is None else rule.refuse * (eased if rule.usual else 1.0)
        refuses = limit is not None and one.value > limit
        if refuses or (rule.warn is not None and one.value > rule.warn):
            told.append(Weighed(one, refuses, rule.next))
    return Verdict(told)
