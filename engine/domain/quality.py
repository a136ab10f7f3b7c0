"""What is checked of the rows and labels of a look, what of it is wrong, and what to do then."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

MIN_ROWS = 200


class Unit(StrEnum):
    """What a check is counted in."""

    SHARE = "share"
    SECONDS = "s"


@dataclass(frozen=True, slots=True)
class Check:
    """One check: what its number says, the most it may be beyond what is expected, the next step.

    `limit` is None where no value is wrong by itself: shown, to explain the others. With `floor`
    it is the least that it may be.
    """

    says: str
    limit: float | None = None
    next: str = ""
    floor: bool = False
    unit: Unit = Unit.SHARE


def _check(says: str, limit: float | None = None, then: str = "", *, floor: bool = False) -> Check:
    return Check(says, limit, then, floor)


CHECKS: Mapping[str, Check] = MappingProxyType(
    {
        "infinite": _check("infinities", 0.0, "find the sender: a division by zero?"),
        "nulls": _check(
            "rows without a value", 0.25, "ask who fills the column; compare clients, then days"
        ),
        "far out": _check(
            "rows further outside the training range than three times its width",
            0.001,
            "look for a changed unit or a filler like -999",
        ),
        "unseen": _check(
            "rows with a category that training never saw",
            0.1,
            "see the names with cdml drift; if they are real, train on newer rows",
        ),
        "skew": _check(
            "rows whose logged value differs from the delivered row of the same id",
            0.01,
            "compare how clients and files make the column; one of them is wrong",
        ),
        "label coverage": _check(
            "mature predictions that have their label, of those that can have one",
            0.8,
            "see whether labels still arrive, and under which ids",
            floor=True,
        ),
        "late labels": _check(
            "labels known only after label_maturity", 0.1, "raise label_maturity in cdml.toml"
        ),
        "early labels": _check(
            "labels known before the row they are about",
            0.01,
            "check the time that clients send: a clock, a zone, or an answer that was known",
        ),
        "unknown labels": _check(
            "labels whose id nobody asked about", 0.5, "compare the ids of labels and of requests"
        ),
        "contested labels": _check("labels of which different values came; the latest counts"),
        "repeated ids": _check(
            "rows whose id was asked about before", 0.2, "see which client asks again, and why"
        ),
        "future times": _check(
            "rows dated a whole window after they were received",
            0.01,
            "check the clients' clocks: such rows are looked at when nobody asks any more",
        ),
        "old times": _check(
            "rows dated a whole window before they were received",
            0.05,
            "check the clients' clocks and zones, or whether a backlog was sent",
        ),
        "ahead of time": _check("rows dated more than 5 minutes after they were received"),
        "range": _check("rows outside the training range"),
        "out of order": _check("rows dated before one that was received earlier"),
        "identical rows": _check("rows whose features are those of another row"),
        "schema": _check("rows whose features are not just the champion's, unseen by the others"),
        "flagged": _check("rows that the answering version found unusual"),
        "label delay p50": Check("from a row to its label, the median", unit=Unit.SECONDS),
        "label delay p90": Check("from a row to its label, nine of ten", unit=Unit.SECONDS),
    }
)


def named(name: str) -> tuple[str, str | None]:
    """Return the check and the column that the name of a measure stands for."""
    if name in CHECKS:
        return name, None
    check = next(c for c in CHECKS if name.startswith(f"{c} "))
    return check, name[len(check) + 1 :]


def limit(check: str, expected: float | None) -> float | None:
    """Return how far a value may go where `expected` is usual; None where no value is wrong."""
    allowed = CHECKS[check].limit
    return None if allowed is None else allowed + (expected or 0.0)


def excess(check: str, value: float | None, expected: float | None) -> float | None:
    """Return how far a value is beyond its limit, above 0 where it is; None where none is set."""
    allowed = limit(check, expected)
    if allowed is None or value is None:
        return None
    return allowed - value if CHECKS[check].floor else value - allowed
