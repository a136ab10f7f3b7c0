"""Case 13: promotions and rollbacks under load; who answered was in office at that time."""

import random
import time
import uuid
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from engine.wire import Change
from tests.box import Box, copied, eventually
from tests.faults.floods import p99
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import AGAIN
from tests.traffic import Answered, Traffic, traffic

SHARE_PCT = 25.0
CANARIES = 10


@dataclass(frozen=True, slots=True)
class Reign:
    """When a version may have answered: from the request that called it to its end's answer."""

    version: str
    begin: float
    end: float


class Reigns:
    """Who may have answered when, as whoever asks for the changes can know it."""

    def __init__(self, champion: str) -> None:
        self._over: list[Reign] = []
        self._since = {champion: 0.0}

    def called(self, version: str, asked: float) -> None:
        """Note that a version was asked for, as champion or canary."""
        self._since.setdefault(version, asked)

    def left(self, version: str, answered: float) -> None:
        """Note that it was acknowledged that a version answers no more."""
        self._over.append(Reign(version, self._since.pop(version), answered))

    def are_right(self, answer: Answered) -> bool:
        """Say whether each version that answered was in office at some instant of the request."""
        return all(self._reigned(v, answer) for v in answer.versions)

    def _reigned(self, version: str, answer: Answered) -> bool:
        return self._since.get(version, float("inf")) <= answer.ended or any(
            r.version == version and r.begin <= answer.ended and answer.began <= r.end
            for r in self._over
        )


@dataclass(slots=True)
class Changes:
    """Seconds until each was acknowledged, and answered by whom it called; and what went wrong."""

    took: dict[str, list[float]]
    first: list[float]
    clients: Traffic
    misled: Sequence[Answered] = ()
    draw: random.Random = field(default_factory=lambda: random.Random(50))


def back_and_forth(box: Box, cycles: int, canaries: int = 0) -> Changes:
    """Promote and roll back under load; before, promote a canary and undo that, again and again."""
    reigns = Reigns("v1")
    with traffic(box) as clients:
        found = Changes(defaultdict(list), [], clients)
        eventually("traffic", lambda: len(clients.answered) > 20)
        if canaries:
            _change(box, found, reigns, "canary", "v2")
            for _ in range(canaries):
                _change(box, found, reigns, "promote", "v2", "v1")
                _change(box, found, reigns, "undo", "v1")  # and v2 is the canary again
            _change(box, found, reigns, "abort", "v1", "v2")
        for _ in range(cycles):
            _change(box, found, reigns, "promote", "v2", "v1")
            _change(box, found, reigns, "rollback", "v1", "v2")
    found.misled = [a for a in clients.answered if not reigns.are_right(a)]
    return found


def _change(
    box: Box, found: Changes, reigns: Reigns, verb: str, to: str, leaves: str | None = None
) -> None:
    """Ask for one change and wait for an answer by whom it called; note who may answer when."""
    # A rollback marks v2 as left behind; a person may take it again all the same.
    change = Change(
        uuid.uuid4().hex,
        to=to if verb in ("canary", "promote") else None,
        reason="back and forth",
        override=AGAIN if verb == "promote" else [],
        share_pct=SHARE_PCT if verb == "canary" else None,
    )
    asked = time.monotonic()
    reigns.called(to, asked)
    answer = box.control.change(verb, "late", change)
    done = time.monotonic()
    assert answer.changed
    if leaves is not None:
        reigns.left(leaves, done)
    found.took[verb].append(done - asked)
    eventually(f"an answer by {to}", partial(first_by, found.clients, to, asked))
    found.first.append((first_by(found.clients, to, asked) or asked) - asked)
    moment = time.monotonic() + found.draw.random() * 0.1
    eventually("a moment", lambda: time.monotonic() > moment)


def first_by(clients: Traffic, version: str, since: float) -> float | None:
    """Return when the first answer by a version after a moment came, None while there is none."""
    newest = [a for p in clients.predictors for a in p.answered[-100:]]
    return min((a.ended for a in newest if version in a.versions and a.ended > since), default=None)


def fifty(stock: Path, folder: Path) -> Outcome:
    """Promote and roll back fifty times at 100 requests/s; before, ten times by way of a canary."""
    outcome = Outcome("13", "50 promotions and rollbacks at 100 requests/s")
    with copied(stock, folder / "box") as box:
        box.write({'unit = "client"': 'unit = "id"'})
        box.up()
        found = back_and_forth(box, 50, CANARIES)
        verified = box.ask("audit", "--verify")["verified"]
    outcome.injected = sum(len(took) for took in found.took.values())
    outcome.goal("failed", len(found.clients.failed), at_most=0)
    outcome.goal("by who was not in office", len(found.misled), at_most=0)
    for verb, took in found.took.items():
        ms = [s * 1000 for s in took]
        if verb == "rollback":
            outcome.goal("rollback ms, p99", p99(ms), at_most=250)
        else:
            outcome.figures[f"{verb} ms, p99"] = p99(ms)
    outcome.wrong += [] if verified else ["the audit chain does not hold"]
    outcome.failed = outcome.injected if outcome.wrong else 0
    outcome.figures |= {
        "first answer s, p99": p99(found.first),
        "answers": len(found.clients.answered),
    }
    outcome.figures["rollbacks"] = len(found.took["rollback"])
    return outcome


CASES: dict[str, Case] = {"13": fifty}
