"""The gate report: each measured comparison as a check with threshold, interval and n."""

import msgspec

from engine.domain import gates
from engine.domain.gates import Verdict
from engine.pipeline.fitting import Inner
from engine.pipeline.scoring import SLICE_SUPPORT, Comparison, ValidateInputs, ValidateResult
from engine.stats import comparison
from engine.stats.comparison import Estimate
from engine.wire import Check, GateReport

ALPHA = 0.05
SLOWEST = 10.0


def compared(
    found: ValidateResult, inputs: ValidateInputs, margin: float, drifting: str | None
) -> list[Check]:
    """Return the checks of a candidate against champion, anchor, trivial rules and slices.

    The anchor's margin is twice the champion's: many small steps down may not add up past the
    last baseline that a person approved.
    """
    checks = [_non_inferior("champion", found, margin, inputs.metric)]
    checks += _superior(found, margin, inputs.metric, drifting)
    if inputs.manifests.get("anchor") != inputs.manifests.get("champion"):
        checks.append(_non_inferior("anchor", found, 2 * margin, inputs.metric))
    checks += _trivial(found, inputs)
    checks += _slice_checks(found, margin, inputs.metric)
    return checks + _latency(found)


def first(inner: Inner, metric: str, margin: float) -> Check:
    """Judge a model's first version by whether its recipe beats the base rate out of time.

    Nothing serves yet, so one of the two must: the version, where it did better and is not worse
    by the margin; else the base rate.
    """
    verdict = gates.non_inferiority(inner.gain_low, inner.gain_high, margin)
    if verdict is Verdict.PASS and not (inner.gain or 0.0) > 0.0:
        verdict = Verdict.FAIL
    return Check(
        "better than the base rate",
        verdict.value,
        -margin,
        metric,
        inner.gain,
        inner.gain_low,
        inner.gain_high,
        inner.n,
        None if verdict is not Verdict.INCONCLUSIVE else inner.needed,
        f"{metric} {_num(inner.value)}, base rate {_num(inner.prior)}; "
        "measured by the same recipe fitted without the inner hold-out",
    )


def _non_inferior(role: str, found: ValidateResult, margin: float, metric: str) -> Check:
    one = found.against.get(role, Comparison(None, None, None, found.n, None))
    verdict = gates.non_inferiority(one.low, one.high, margin)
    return _check(f"not worse than the {role}", verdict, -margin, metric, one, found)


def _superior(
    found: ValidateResult, worthwhile: float, metric: str, drifting: str | None
) -> list[Check]:
    """A challenger must be better, or at least may be while the champion drifts."""
    one = found.against.get("champion")
    if one is None:
        return []
    verdict = gates.superiority(one.low, one.high, worthwhile)
    made = _check("better than the champion", verdict, 0.0, metric, one, found)
    if verdict is Verdict.INCONCLUSIVE and drifting is not None:
        text = f"{made.text}; not shown, but the champion drifts: {drifting}"
        made = msgspec.structs.replace(made, verdict=Verdict.PASS.value, text=text)
    return [made]


def _trivial(found: ValidateResult, inputs: ValidateInputs) -> list[Check]:
    checks = []
    if one := found.against.get("base rate"):
        verdict = gates.superiority(one.low, one.high, 0.0)
        checks.append(_check("better than the base rate", verdict, 0.0, inputs.metric, one, found))
    if inputs.kpi is not None and (gain := found.kpi_gain) is not None:
        verdict = gates.superiority(gain.low, gain.high, 0.0)
        unit = inputs.kpi.unit or inputs.kpi.name
        name = f"{inputs.kpi.name} better than never or always acting"
        made = _check(name, verdict, 0.0, unit, gain, found)
        text = ", ".join(f"{rule} {_num(v)}" for rule, v in found.kpi.items())
        checks.append(msgspec.structs.replace(made, text=text))
    return checks


def _slice_checks(found: ValidateResult, margin: float, metric: str) -> list[Check]:
    """No slice may be significantly worse than the margin, Holm over all slices."""
    if not found.slices:
        return []
    from scipy.special import ndtr  # the normal distribution, without scipy.stats and its 47 MiB

    p = [float(ndtr((s.value + margin) / max(s.se, 1e-12))) for s in found.slices]
    worse = [s for s, bad in zip(found.slices, gates.holm(p, ALPHA), strict=True) if bad]
    worst = min(found.slices, key=lambda s: s.value)
    verdict = Verdict.FAIL if worse else Verdict.PASS
    named = ", ".join(f"{s.name} {s.value:+.4f} (n {s.n})" for s in worse or [worst])
    return [
        Check(
            "no slice worse",
            verdict.value,
            -margin,
            metric,
            worst.value,
            n=worst.n,
            text=f"{len(found.slices)} slices with at least {SLICE_SUPPORT} rows; "
            f"{'worse' if worse else 'lowest'}: {named}",
        )
    ]


def _latency(found: ValidateResult) -> list[Check]:
    own, other = found.latency_ms.get("candidate"), found.latency_ms.get("champion")
    if own is None or other is None:
        return []
    verdict = Verdict.PASS if own <= SLOWEST * other else Verdict.FAIL
    # Only the limit can fail a version; the time itself would differ from run to run.
    text = f"at most {SLOWEST:g} times the champion's, median of 20 one-row answers"
    return [Check("latency", verdict.value, SLOWEST, "times", None, n=20, text=text)]


def _check(
    name: str,
    verdict: Verdict,
    threshold: float,
    unit: str,
    one: Comparison,
    found: ValidateResult,
) -> Check:
    estimate = Estimate(one.value, one.low, one.high, one.n, found.blocks, None, 0.95, 0)
    effect = abs(threshold or one.value or 0.0)
    settled = verdict is not Verdict.INCONCLUSIVE and threshold == 0.0
    needed = None if settled else comparison.needed(estimate, effect)
    text = f"{_num(found.value)} against {_num(one.other)}, {found.blocks} days"
    return Check(
        name, verdict.value, threshold, unit, one.value, one.low, one.high, one.n, needed, text
    )


def report(
    against: str | None,
    since: str,
    until: str,
    n: int,
    checks: list[Check],
    value: float | None,
) -> GateReport:
    """Add the checks up to a verdict, with a sentence for each that stands in the way."""
    verdict = gates.overall(Verdict(c.verdict) for c in checks if c.verdict != "observed")
    reasons = [_sentence(c) for c in checks if c.verdict == verdict.value != "pass"]
    return GateReport(verdict.value, against, since, until, n, checks, reasons, value)


def _sentence(check: Check) -> str:
    value = f" by {check.value:+.4f} {check.unit}" if check.value is not None else ""
    interval = f" [{check.low:+.4f}, {check.high:+.4f}]" if check.low is not None else ""
    needed = f"; about {check.needed} rows needed" if check.needed else ""
    said = "not shown" if check.verdict == "inconclusive" else "not so"
    return f"{check.name}: {said}{value}{interval}, n {check.n}{needed}"


def _num(value: float | None) -> str:
    return "--" if value is None else f"{value:.4f}"
