"""What came of one case of the plan: what was injected, what survived it, and the figures."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Outcome:
    """One line of the table; `wrong` says what did not survive."""

    case: str
    what: str
    injected: int = 0
    figures: dict[str, object] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    failed: int = 0

    def struck(self, wrong: Sequence[str] = ()) -> None:
        """Count one injection and what was wrong after it."""
        self.injected += 1
        self.failed += bool(wrong)
        self.wrong += wrong

    def goal(
        self,
        name: str,
        value: float,
        *,
        at_most: float | None = None,
        at_least: float | None = None,
    ) -> None:
        """Note a figure that has a goal; beyond it is wrong, by how much so ever it survived."""
        limits = [f"at most {at_most:g}"] if at_most is not None else []
        limits += [f"at least {at_least:g}"] if at_least is not None else []
        self.figures[name] = f"{value:.3g} ({', '.join(limits)})"
        beyond = (at_most is not None and not value <= at_most) or (
            at_least is not None and not value >= at_least
        )
        if beyond:
            self.wrong.append(f"{name} is {value:.3g}, the goal is {' and '.join(limits)}")

    def hold(
        self, name: str, *, at_most: float | None = None, at_least: float | None = None
    ) -> "Outcome":
        """Hold a figure that was noted to a goal; where nobody measures, nobody does."""
        self.goal(name, float(str(self.figures[name])), at_most=at_most, at_least=at_least)
        return self

    def take(self, part: "Outcome") -> None:
        """Add a part that was played beside others: counts add up, of times the worst stays."""
        self.injected += part.injected
        self.failed += part.failed
        self.wrong += part.wrong
        for name, value in part.figures.items():
            known: Any = self.figures.get(name, 0)
            worst = isinstance(value, float)
            self.figures[name] = max(known, value) if worst else known + value

    @property
    def survived(self) -> int:
        """Return how many injections left nothing wrong."""
        return self.injected - self.failed


# A case is played on a copy of a stocked workspace, in a folder of its own.
Case = Callable[[Path, Path], Outcome]


def table(outcomes: Sequence[Outcome]) -> str:
    """Draw case, injected, survived and figures, and below it what was wrong."""
    head = ("case", "what", "injected", "survived", "figures")
    rows = [head]
    for o in outcomes:
        figures = ", ".join(f"{name} {_said(value)}" for name, value in o.figures.items())
        rows.append((o.case, o.what, str(o.injected), str(o.survived), figures))
    widths = [max(len(row[at]) for row in rows) for at in range(4)]
    lines = [
        "  ".join([*(cell.ljust(w) for cell, w in zip(row, widths, strict=False)), row[4]])
        for row in rows
    ]
    lines += [f"case {o.case}: {text}" for o in outcomes for text in o.wrong]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _said(value: object) -> str:
    return f"{value:.3g}" if isinstance(value, float) else str(value)
