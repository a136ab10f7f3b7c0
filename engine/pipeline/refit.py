"""After a gate: the version that it judged, made again of all mature rows, is brought in instead.

The gate has judged the recipe on rows newer than its training; the refit has seen those, so that it
is no older than it need be. It has to answer as the judged one does. A shadow then compares it with
the champion on rows that neither has seen.
"""

from collections.abc import Mapping

from engine.domain.gates import Verdict
from engine.pipeline import checks, validate
from engine.pipeline.agreeing import HOLDOUT, PROBES
from engine.pipeline.site import Site
from engine.pipeline.training import Agreement
from engine.wire import Check, GateReport

# How far a refit's answers may lie from the judged one's on average, in the spread of the latter.
# It has learned the hold-out: a week like no other moved it by 1.3 there, answers turned around
# would lie at 2. On probe rows, of all that both know, it has no reason to answer otherwise.
LARGEST = {HOLDOUT: 2.0, PROBES: 0.5}


def judge(
    site: Site, model: str, version: str, judged: str, found: Mapping[str, Agreement], *, fence: int
) -> str:
    """Judge a refit by its agreement with the version that passed; return the one to bring in."""
    validate.began(site, model, version, f"refit of {judged}")
    report = _report(site, model, version, judged, found)
    passed = report.verdict == Verdict.PASS.value
    replaces = judged if passed else ""
    validate.record(site, model, version, report, fence=fence, replaces=replaces)
    return version if passed else judged


def _report(
    site: Site, model: str, version: str, judged: str, found: Mapping[str, Agreement]
) -> GateReport:
    """Return the judged version's report as its refit's, with the checks of their agreement."""
    of = site.ledger.version(model, judged).report
    assert of is not None
    made = [_agrees(judged, name, one) for name, one in found.items()]
    made += validate.serving_checks(site, model, version)
    span = (of.holdout_from or "", of.holdout_to or "")
    return checks.report(of.against, *span, of.n, made, of.value, of.measured)


def _agrees(judged: str, where: str, one: Agreement) -> Check:
    """Check that a refit's answers lie no farther from the judged version's than they may."""
    apart = one.moved / max(one.spread, 1e-12)
    verdict = Verdict.PASS if apart <= LARGEST[where] else Verdict.FAIL
    changed = "" if one.changed is None else f", {one.changed:.1%} decided otherwise"
    return Check(
        f"agrees with {judged} on the {where}",
        verdict.value,
        LARGEST[where],
        "of the answers' spread",
        apart,
        n=one.n,
        text=f"mean distance {one.moved:.4g}, spread {one.spread:.4g}{changed}",
    )
