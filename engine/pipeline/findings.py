"""What the scores of a look say of a model: each watched number against its limit. Pure.

One table of kinds: to watch another one, give it a line in KINDS and a rule in domain.alerts.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from msgspec import Struct, json

from engine.domain.alerts import Finding, Key, Standing
from engine.pipeline.realised import SERVED
from engine.quantities import duration
from engine.settings import ModelSettings
from engine.stats import performance, sequential
from engine.store.scores import Score

# More likely than not: with less, a warning would be false more often than right.
LIKELY = 0.5
# How often a share of failures may be called surely too high by chance, ever.
LEVEL = 0.01


@dataclass(frozen=True, slots=True)
class Limit:
    """How bad is too bad: beyond `value`, above it or below."""

    value: float
    above: bool
    unit: str = ""

    @property
    def text(self) -> str:
        """Say it as people read it."""
        return f"limit {self.value:g}"


class Detail(Struct, frozen=True):
    """What the detail of a score may say of evidence, whatever else is in it.

    `surely` is a test's own verdict, `limit` and `above` those of a check that has its own,
    `damage` what drift of a column is worth to the model.
    """

    evidence: float | None = None
    evidence_needed: float | None = None
    surely: bool | None = None
    p_breach: float | None = None
    damage: float | None = None
    limit: float | None = None
    above: bool = True


def found(
    settings: ModelSettings, scores: Iterable[Score], trained_to: datetime | None, at: datetime
) -> list[Finding]:
    """Return what is watched of a look, within its limit or not; of one thing the worst."""
    worst: dict[Key, Finding] = {}
    findings = [f for s in scores if (f := _finding(settings, s)) is not None]
    if (old := _stale(settings, trained_to, at)) is not None:
        findings.append(old)
    for finding in findings:
        known = worst.get(finding.key)
        if known is None or _rank(finding) > _rank(known):
            worst[finding.key] = finding
    return list(worst.values())


def _rank(finding: Finding) -> tuple[bool, float]:
    return finding.standing is not Standing.UNKNOWN, finding.excess


def watched(settings: ModelSettings, kind: str, name: str) -> bool:
    """Say whether the settings still set a limit for what an alert is about."""
    if kind == "stale":
        return settings.gate.stale is not None
    watch = KINDS.get(kind)
    return watch is None or watch.own or watch.limit(settings, name) is not None


# ---------------------------------------------------------------- limits


def _metric(settings: ModelSettings, name: str) -> Limit | None:
    limit = settings.monitor.metric_limit
    if name != settings.metric or limit is None:
        return None
    return Limit(limit, not performance.metric_named(name).higher_is_better)


def _kpi(settings: ModelSettings, name: str) -> Limit | None:
    kpi = settings.kpi.get(name)
    if kpi is None or kpi.limit is None:
        return None
    return Limit(kpi.limit, kpi.direction == "minimize", kpi.unit)


def _performance(settings: ModelSettings, name: str) -> Limit | None:
    return _metric(settings, name) or _kpi(settings, name)


def _slice(settings: ModelSettings, name: str) -> Limit | None:
    declared = any(name.startswith(f"{column}=") for column in settings.gate.slices)
    return _metric(settings, settings.metric) if declared else None


def _drift(settings: ModelSettings, _name: str) -> Limit | None:
    return Limit(settings.monitor.drift_limit, above=True)


def _calibration(settings: ModelSettings, name: str) -> Limit | None:
    limit = settings.gate.calibration
    return None if name != "error" or limit is None else Limit(limit, above=True)


def _none(_settings: ModelSettings, _name: str) -> Limit | None:
    return None


# ---------------------------------------------------------------- the table


@dataclass(frozen=True, slots=True)
class Watch:
    """How scores of a kind are read: their limit, and the words and form in which they are said.

    Of what is `served`, only the answers that clients got count. A check with a limit of its `own`
    has it in its detail. What is `guessed` says nothing without an interval.
    """

    limit: Callable[[ModelSettings, str], Limit | None]
    words: str
    form: str = ".3f"
    served: bool = False
    own: bool = False
    guessed: bool = False


KINDS: dict[str, Watch] = {
    "realised": Watch(_metric, "{name}", served=True),
    "kpi": Watch(_kpi, "{name}", served=True),
    "slice": Watch(_slice, "slice {name} {metric}"),
    "calibration": Watch(_calibration, "calibration off by"),
    "estimated": Watch(_performance, "estimated {name}", guessed=True),
    "forecast": Watch(_performance, "forecast {name}"),
    "score drift": Watch(_drift, "score drift psi", ".2f"),
    "label drift": Watch(_drift, "label drift psi", ".2f"),
    "drift": Watch(_drift, "drift {name} psi", ".2f"),
    "slice drift": Watch(_drift, "slice drift {name} psi", ".2f"),
    "quality": Watch(_none, "quality {name}", ".3g", own=True),
}


def _finding(settings: ModelSettings, s: Score) -> Finding | None:
    """Return what one score says; None where nothing limits it."""
    watch = KINDS.get(s.kind)
    if watch is None or (watch.served and s.version != SERVED):
        return None
    detail = detail_of(s)
    limit = watch.limit(settings, s.name)
    if watch.own and detail.limit is not None:
        limit = Limit(detail.limit, detail.above)
    if limit is None:
        return None
    said = _said(settings, watch, s, limit)
    if s.kind == "forecast":
        chance = f"P(breach) {detail.p_breach or 0.0:.2f}"
        text = f"{said} by {s.window_to:%Y-%m-%d}, {limit.text}, {chance}"
        return Finding(s.kind, s.name, detail.p_breach, LIKELY, s.n, f"{text}, n {s.n}")
    return Finding(
        s.kind,
        s.name,
        s.value,
        limit.value,
        s.n,
        f"{said}, {limit.text}{_evidence(detail)}, n {s.n}",
        limit.above,
        s.low,
        s.high,
        detail.evidence,
        detail.evidence_needed,
        _verdict(watch, s, detail),
    )


def _verdict(watch: Watch, s: Score, detail: Detail) -> bool | None:
    """Return the verdict of a test of more than this number, or that there is no evidence."""
    lacking = watch.guessed and (s.low is None or s.high is None)
    return bool(detail.surely) if lacking or s.kind == "slice" else detail.surely


def detail_of(s: Score) -> Detail:
    """Return what the detail of a score says of evidence; one in words says nothing of it."""
    known = s.detail if s.detail and s.detail.startswith("{") else "{}"
    return json.decode(known, type=Detail)


def _said(settings: ModelSettings, watch: Watch, s: Score, limit: Limit) -> str:
    """Say a number in the words of its kind, with its unit and how sure it is."""
    words = watch.words.format(name=plain(s.name), metric=settings.metric)
    value = "--" if s.value is None else f"{s.value:{watch.form}}"
    unit = f" {limit.unit}" if limit.unit else ""
    sure = "" if s.low is None or s.high is None else f" [{s.low:.3f}, {s.high:.3f}]"
    return f"{words} {value}{unit}{sure}"


def _evidence(detail: Detail) -> str:
    if detail.evidence_needed is None:
        return ""
    found = "none" if detail.evidence is None else f"{detail.evidence:.3g}"
    return f", evidence {found} of {detail.evidence_needed:.3g}"


def _stale(settings: ModelSettings, trained_to: datetime | None, at: datetime) -> Finding | None:
    if settings.gate.stale is None or trained_to is None:
        return None
    age = (at - trained_to) / timedelta(days=1)
    days = duration(settings.gate.stale) / timedelta(days=1)
    text = f"training rows {age:.0f} days old, limit {days:.3g}"
    return Finding("stale", "training rows", age, days, 0, text)


def sureness(finding: Finding) -> str:
    """Say how sure a finding is, and by what."""
    word = "surely" if finding.sure else "not surely"
    side = "above" if finding.above else "below"
    if finding.boundary is not None:
        found = "none" if finding.evidence is None else f"{finding.evidence:.3g}"
        return f"{word}: evidence {found}, {finding.boundary:.3g} needed, n {finding.n}"
    if finding.low is not None and finding.high is not None:
        interval = f"{finding.low:.3g} to {finding.high:.3g}"
        return f"{word} {side} {finding.limit:.3g}: 95 % interval {interval}, n {finding.n}"
    by = "by its value alone" if finding.sure else "not surely: no interval yet"
    return f"{by}, n {finding.n}" if finding.n else by


def of_serving(
    settings: ModelSettings, rows: int, failed: int, p95_ms: float | None
) -> list[Finding]:
    """Return what the running service says of its champion: rows failed, slow answers.

    The share of failures is sure however often one looks.
    """
    limit, slow = settings.rollout.error_limit, settings.rollout.slow_ms
    found = []
    interval = sequential.rate_interval(failed, rows, LEVEL)
    if interval is not None:
        text = f"{failed} of {rows} rows failed, limit {100 * limit:g} %"
        surely = interval[0] > limit
        found.append(Finding("errors", "rows", failed / rows, limit, rows, text, judged=surely))
    if p95_ms is not None:
        text = f"p95 {p95_ms:.3g} ms, limit {slow:g} ms"
        found.append(Finding("latency", "p95", p95_ms, slow, rows, text))
    return found


def plain(name: str) -> str:
    """Return a name for people where it is made of what clients sent."""
    return "".join(c if c.isprintable() else "?" for c in name[:80])


# ---------------------------------------------------------------- what explains them

NAMED = 3


def cost(settings: ModelSettings, scores: Sequence[Score], promised: float | None) -> str:
    """Say what it costs: each KPI of the look, beside never and always acting, else the metric."""
    said = []
    for name, kpi in settings.kpi.items():
        at = {s.version: s.value for s in scores if s.kind == "kpi" and s.name == name}
        if at.get(SERVED) is not None:
            limit = "" if kpi.limit is None else f", limit {kpi.limit:g}"
            others = [f", {v} {at[v]:.3f}" for v in ("never act", "always act") if at.get(v)]
            unit = f" {kpi.unit}" if kpi.unit else ""
            said.append(f"{name} {at[SERVED]:.3f}{unit}{limit}{''.join(others)}")
    if said:
        return "; ".join(said)
    for s in scores:
        if s.kind == "realised" and (s.version, s.name) == (SERVED, settings.metric):
            before = "" if promised is None else f", {promised:.3f} at validation"
            return "" if s.value is None else f"{s.name} {s.value:.3f}{before}"
    return ""


def because(settings: ModelSettings, scores: Sequence[Score]) -> str:
    """Name the columns that moved most and the slices that are worst, of the same look.

    Most is by the damage to the model where that is known, else by psi.
    """
    columns_moved = [
        (detail_of(s).damage or 0.0, s) for s in scores if s.kind == "drift" and s.value
    ]
    moved = [
        s for _, s in sorted(columns_moved, key=lambda p: (-p[0], -(p[1].value or 0.0), p[1].name))
    ]
    columns = [f"{plain(s.name)} psi {s.value:.2f}" for s in moved[:NAMED]]
    sign = 1.0 if performance.metric_named(settings.metric).higher_is_better else -1.0
    sliced = sorted(
        (s for s in scores if s.kind == "slice" and s.value is not None),
        key=lambda s: (sign * (s.value or 0.0), s.name),
    )
    slices = [f"{plain(s.name)} {s.value:.3f} n {s.n}" for s in sliced[:NAMED]]
    parts = [f"columns {', '.join(columns)}"] if columns else []
    parts += [f"slices {', '.join(slices)}"] if slices else []
    return "; ".join(parts)


def evidence(settings: ModelSettings, scores: Sequence[Score]) -> str:
    """Say what was measured in a line: performance and KPIs as served, slices surely too bad."""
    said = []
    for s in scores:
        if s.version != SERVED or (s.kind == "realised" and s.name != settings.metric):
            continue
        sure = "" if s.low is None else f" [{s.low:.4f}, {s.high:.4f}]"
        value = "not measured" if s.value is None else f"{s.value:.4f}{sure}"
        said.append(f"{s.name} {value}, n {s.n}")
    over = [f for s in scores if s.kind == "slice" and (f := _finding(settings, s)) and f.sure]
    return "; ".join([*said, *(f.text for f in over[:NAMED])])
