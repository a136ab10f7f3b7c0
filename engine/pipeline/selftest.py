"""The gate tried on answers whose verdict is known, by the very functions that judge a version.

At each start and in the tests: a gate that lets the wrong one through must not promote anything.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import numpy as np

from engine.domain.locks import EVERYWHERE
from engine.errors import RefusedError
from engine.ledger.change import Actor
from engine.pipeline import checks, locks, measurement, validate
from engine.pipeline.measurement import Held
from engine.pipeline.site import Site
from engine.settings import GateSettings
from engine.wire import Check, GateReport, LockRequest

Judge = Callable[..., list[Check]]
SELFTEST = Actor("engine", "gate self-test")
DAYS = 28
ROWS = 3000
SEED = 13


def faults(judge: Judge) -> list[str]:
    """Return a sentence for each known answer that the gate gets wrong; none where it is sound."""
    return [said for said in _tried(judge) if said]


def at_start(site: Site, boot: str) -> None:
    """Test the gate; where it fails, freeze the whole engine and tell."""
    found = faults(checks.compared)
    if found:
        text = f"the gate fails its own test: {'; '.join(found)}"
        locks.freeze(site, EVERYWHERE, SELFTEST, LockRequest(f"selftest-{boot}", reason=text))
        how = "No version is judged rightly; install cdml again, then cdml thaw"
        site.tell("CRIT", "gate", None, f"{text}. {how}")


def _tried(judge: Judge) -> Iterator[str]:
    rng = np.random.default_rng(SEED)
    days = np.repeat(np.arange(DAYS), ROWS // DAYS)
    truth = rng.normal(size=len(days)) + 0.3 * rng.normal(size=DAYS)[days]
    labels = (rng.random(len(days)) < _answers(truth)[:, 0]).astype(np.float64)
    champion, equal = (_answers(0.6 * truth + 0.4 * rng.normal(size=len(days))) for _ in "ab")
    held = Held("binary", "log_loss", labels, days, {})
    # Learnt from labels in another order, a model knows the base rate and noise.
    shuffled = np.clip(labels.mean() + 0.1 * rng.normal(size=(len(days), 1)), 0.01, 0.99)
    dummy = np.full((len(days), 1), labels.mean())
    for name, answers, wanted in (
        ("the champion's own answers", champion, ("fail", "inconclusive")),
        ("a version just as good", equal, ("fail", "inconclusive")),
        ("labels shuffled", shuffled, ("fail",)),
        ("the base rate", dummy, ("fail",)),
        ("a better version", _answers(truth), ("pass",)),
    ):
        others = {"champion": champion, "anchor": champion, "base rate": dummy}
        verdict = _judged(judge, held, answers, others).verdict
        if verdict not in wanted:
            yield f"{name}: {verdict}, expected {' or '.join(wanted)}"
    try:
        validate.check_other("self-test", "v1", "v1")
    except RefusedError:
        return
    yield "the champion against itself: no error"


def _judged(judge: Judge, held: Held, answers: Any, others: Mapping[str, Any]) -> GateReport:
    found = measurement.measured(held, answers, others, [SEED])
    made = judge(found, held.metric, GateSettings(), None, None)
    return checks.report("v1", "", "", found.n, made, found.value)


def _answers(logit: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-logit))[:, None]
