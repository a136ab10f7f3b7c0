"""The gate report: each measured comparison as a check with threshold, interval and n."""

import msgspec

from engine.domain import gates
from engine.domain.gates import Verdict
from engine.pipeline.fitting import Inner, Kpi
from engine.pipeline.measurement import SLICE_SUPPORT, Comparison, ValidateResult
from engine.settings import METRICS, GateSettings
from engine.stats import comparison
from engine.stats.comparison import Estimate
from engine.wire import Check, GateReport

ALPHA = 0.05
# How much worse calibrated than the champion, on average over ten bins, is still as good.
CALIBRATION_MARGIN = 0.05
# At most so many times the champion's; what is below the floor is never too much.
COSTLIEST = 10.0
LATENCY_FLOOR_MS = 10.0
BYTES_FLOOR = 16 * 2**20
MIB = 2**20


def compared(
    found: ValidateResult,
    metric: str,
    gate: GateSettings,
    kpi: Kpi | None,
    because: str | None,
    *,
    renewal: bool = False,
) -> list[Check]:
    """Return the checks of a candidate: against a floor, champion, anchor, trivial rules, slices.

    `because` is a reason to replace the champion by what is only as good. The anchor's margin is
    twice the champion's: many small steps down may not add up past the last baseline that a person
    approved. A `renewal` has shown what it is as the champion: it fails where it is surely worse.
    """
    margin = gate.non_inferiority
    checks = _floor(gate.floor, metric, found.value, found.low, found.high, found.n)
    checks.append(_non_inferior("champion", found, margin, metric, renewal=renewal))
    if not renewal:
        checks += _superior(found, margin, metric, because)
    if "anchor" in found.against:
        checks.append(_non_inferior("anchor", found, 2 * margin, metric, renewal=renewal))
    checks += _trivial(found, metric, renewal=renewal)
    checks += _slice_checks(found, margin, metric)
    checks += _calibration(found, gate.calibration)
    checks += _kpi(found, kpi, renewal=renewal)
    return checks + _costs(found)


def first(inner: Inner, metric: str, gate: GateSettings) -> list[Check]:
    """Judge a model's first version by whether its recipe beats the base rate out of time.

    Nothing serves yet, so one of the two must: the version where it did better, else the base rate.
    To wait for certainty would be to choose the base rate against the evidence there is. What has
    learned nothing does worse than the base rate. The floor holds for it as for any other.
    """
    margin = gate.non_inferiority
    verdict = gates.not_shown_worse(inner.gain_high, margin)
    if verdict is Verdict.PASS and not (inner.gain or 0.0) > 0.0:
        verdict = Verdict.FAIL
    better = Check(
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
    return [*_floor(gate.floor, metric, inner.value, inner.low, inner.high, inner.n), better]


def _floor(
    limit: float | None,
    metric: str,
    value: float | None,
    low: float | None,
    high: float | None,
    n: int,
) -> list[Check]:
    if limit is None:
        return []
    higher = METRICS[metric][1]
    verdict = gates.within(low, high, limit, higher_is_better=higher)
    needed = None
    if verdict is Verdict.INCONCLUSIVE and value is not None:
        own = Estimate(value, low, high, n, 0, None, 0.95, 0)
        needed = comparison.needed(own, abs(value - limit))
    text = f"the metric itself, at {'least' if higher else 'most'} {limit:g}"
    return [
        Check("within the floor", verdict.value, limit, metric, value, low, high, n, needed, text)
    ]


def _non_inferior(
    role: str, found: ValidateResult, margin: float, metric: str, *, renewal: bool
) -> Check:
    one = found.against.get(role, Comparison(None, None, None, found.n, None))
    if renewal:
        verdict = gates.not_shown_worse(one.high, margin)
        return _check(f"not shown worse than the {role}", verdict, -margin, metric, one, found)
    verdict = gates.non_inferiority(one.low, one.high, margin)
    return _check(f"not worse than the {role}", verdict, -margin, metric, one, found)


def _superior(
    found: ValidateResult, worthwhile: float, metric: str, because: str | None
) -> list[Check]:
    """A challenger must be better, or as good while there is a reason to replace the champion."""
    one = found.against.get("champion")
    if one is None:
        return []
    better = gates.superiority(one.low, one.high, worthwhile)
    not_worse = gates.non_inferiority(one.low, one.high, worthwhile)
    verdict = gates.replaceable(better, not_worse, because)
    made = _check("better than the champion", verdict, 0.0, metric, one, found)
    if verdict is not better:
        text = f"{made.text}; not shown, but {because}"
        made = msgspec.structs.replace(made, text=text)
    return [made]


def _trivial(found: ValidateResult, metric: str, *, renewal: bool) -> list[Check]:
    checks = []
    for rule in ("base rate", "last value", "same time last week"):
        if one := found.against.get(rule):
            name, verdict = _rivalling("the " + rule, one, renewal=renewal)
            checks.append(_check(name, verdict, 0.0, metric, one, found))
    return checks


def _rivalling(rule: str, one: Comparison, *, renewal: bool) -> tuple[str, Verdict]:
    """Return what is asked in comparison with a trivial rule, and whether it is so."""
    if renewal:
        return f"not shown worse than {rule}", gates.not_shown_worse(one.high, 0.0)
    return f"better than {rule}", gates.superiority(one.low, one.high, 0.0)


def _kpi(found: ValidateResult, kpi: Kpi | None, *, renewal: bool) -> list[Check]:
    """The decisions must beat both trivial ones, and not be surely worse than the champion's."""
    if kpi is None or found.kpi_gain is None:
        return []
    unit, text = kpi.unit or kpi.name, ", ".join(f"{r} {_num(v)}" for r, v in found.kpi.items())
    gain, kept = found.kpi_gain, found.kpi_kept
    asked, verdict = _rivalling("never or always acting", gain, renewal=renewal)
    checks = [_check(f"{kpi.name} {asked}", verdict, 0.0, unit, gain, found, text)]
    if kept is not None:
        verdict = gates.not_shown_worse(kept.high, 0.0)
        name = f"{kpi.name} not shown worse than the champion's"
        checks.append(_check(name, verdict, 0.0, unit, kept, found, text))
    return checks


def _calibration(found: ValidateResult, limit: float | None) -> list[Check]:
    unit, checks = "probability", []
    if limit is not None and (own := found.calibration) is not None:
        verdict = gates.within(own.low, own.high, limit, higher_is_better=False)
        text = "mean distance of answers from what happened, in ten bins of equal counts"
        checks.append(_check("calibrated", verdict, limit, unit, own, found, text))
    if (gain := found.calibration_gain) is not None:
        verdict = gates.not_shown_worse(gain.high, CALIBRATION_MARGIN)
        own_value = found.calibration.value if found.calibration else None
        text = f"calibration error {_num(own_value)} against {_num(gain.other)}"
        name = "calibration not shown worse than the champion's"
        checks.append(_check(name, verdict, -CALIBRATION_MARGIN, unit, gain, found, text))
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
            worst.value - 1.96 * worst.se,
            worst.value + 1.96 * worst.se,
            worst.n,
            text=f"{len(found.slices)} slices with at least {SLICE_SUPPORT} rows; "
            f"{'worse' if worse else 'lowest'}: {named}",
        )
    ]


def _costs(found: ValidateResult) -> list[Check]:
    """Return latency, file size and memory beside the champion's.

    Only a multiple can fail a version: a time would differ from run to run.
    """
    latency = "median of 20 one-row answers", LATENCY_FLOOR_MS, 1.0, "ms", 20
    size = "on disk", BYTES_FLOOR, MIB, "MiB", 1
    memory = "unpacked", BYTES_FLOOR, MIB, "MiB", 1
    measured = (
        ("latency", found.latency_ms, latency),
        ("file size", found.file_bytes, size),
        ("memory", found.memory_bytes, memory),
    )
    checks = []
    for name, values, (how, floor, scale, unit, n) in measured:
        own, other = values.get("candidate"), values.get("champion")
        if own is None or other is None:
            continue
        limit = COSTLIEST * max(other, floor / COSTLIEST)
        verdict = Verdict.PASS if own <= limit else Verdict.FAIL
        most = f"{COSTLIEST:g} times that or {floor / scale:g} {unit}"
        text = f"the champion's {other / scale:.3g}; at most {most}, {how}"
        shown = round(own / scale, 4)
        checks.append(Check(name, verdict.value, limit / scale, unit, shown, n=n, text=text))
    return checks


def _check(
    name: str,
    verdict: Verdict,
    threshold: float,
    unit: str,
    one: Comparison,
    found: ValidateResult,
    text: str = "",
) -> Check:
    estimate = Estimate(one.value, one.low, one.high, one.n, found.blocks, None, 0.95, 0)
    effect = abs((one.value or 0.0) - threshold)
    open_yet = verdict is Verdict.INCONCLUSIVE
    needed = comparison.needed(estimate, effect) if open_yet else None
    said = text or f"{_num(found.value)} against {_num(one.other)}, {found.blocks} {found.block}"
    return Check(
        name, verdict.value, threshold, unit, one.value, one.low, one.high, one.n, needed, said
    )


def report(
    against: str | None,
    since: str,
    until: str,
    n: int,
    checks: list[Check],
    value: float | None,
    measured: dict[str, float | None] | None = None,
) -> GateReport:
    """Add the checks up to a verdict, with a sentence for each that stands in the way."""
    verdict = gates.overall(Verdict(c.verdict) for c in checks if c.verdict != "observed")
    reasons = [_sentence(c) for c in checks if c.verdict == verdict.value != "pass"]
    return GateReport(
        verdict.value, against, since, until, n, checks, reasons, value, measured or {}
    )


def _sentence(check: Check) -> str:
    value = f" by {check.value:+.4f} {check.unit}" if check.value is not None else ""
    interval = f" [{check.low:+.4f}, {check.high:+.4f}]" if check.low is not None else ""
    more = f", {check.needed - check.n} more" if check.needed and check.needed > check.n else ""
    needed = f"; about {check.needed} rows needed{more}" if check.needed else ""
    said = "not shown" if check.verdict == "inconclusive" else "not so"
    return f"{check.name}: {said}{value}{interval}, n {check.n}{needed}"


def _num(value: float | None) -> str:
    return "--" if value is None else f"{value:.4f}"
