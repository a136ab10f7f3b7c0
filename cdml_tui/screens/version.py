"""One version: state, what it was made of, what a key would do with it, how it was judged."""

from dataclasses import dataclass
from typing import Any

from cdml_tui.client import Client, ConsoleError
from cdml_tui.panes import judged
from cdml_tui.panes.figures import age, clock, count, figure, metric_word, percent
from cdml_tui.panes.line import Line, inert, line, title
from cdml_tui.panes.numbers import aligned, days, placed, told
from cdml_tui.panes.plan import one_plan
from cdml_tui.screens.page import WIDE, Body, Page, of_version
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen, decision_now, model_named
from engine import wire


@dataclass(frozen=True, slots=True)
class Answer:
    """What the page asks for; `why` says why there is no lineage."""

    page: wire.VersionPage
    lineage: wire.Lineage | None
    why: str = ""


def _ask(client: Client, subject: Subject) -> Answer:
    model, version = subject.model or "", subject.version or ""
    page = client.show(model, version)
    try:
        return Answer(page, client.lineage(model, version))
    except ConsoleError as no:
        return Answer(page, None, no.message)


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    answer: Answer = sheet.value
    columns = 2 if width >= WIDE else 1
    each = (width - 3 * (columns - 1)) // columns
    model = model_named(screen, sheet.subject.model)
    first = [*_state(screen, answer, each), *_plan(model, answer.page.row, each)]
    gate = _gate(screen, answer.page.report, each)
    lineage = _lineage(answer, each)
    if columns == 1:
        return Body([*first, *gate, *lineage])
    return Body(placed([[*first, *lineage], gate], columns, each, width))


def _state(screen: Screen, answer: Answer, width: int) -> list[Line]:
    row, manifest = answer.page.row, answer.page.manifest
    share = f", answers {percent(row.share_pct)}" if row.share_pct else ""
    metric = ""
    if row.metric is not None:
        metric = f"{figure(row.metric)}, {row.metric_kind}, n {count(row.metric_n)}"
        metric += f", to {clock(row.metric_to, None)}" if row.metric_to else ""
    safe = "; safe mode: a simple baseline, every answer flagged" if row.safe_mode else ""
    named = metric_word(str(manifest.get("metric") or "metric"))
    pairs = [
        ("state", f"{row.state or row.fitness}{safe}"),
        ("roles", ", ".join(row.roles) + share if row.roles else "none"),
        (inert(named), metric or "not measured yet"),
        ("drift", f"largest psi {figure(row.drift)}" if row.drift is not None else ""),
        ("trained on", _trained(answer)),
        ("recipe", _recipe(answer)),
        ("chosen", _chosen(answer)),
        ("created", f"{_age(screen, row.created_at)} by run {manifest.get('run', '--')}"),
        ("speed", f"p95 {figure(row.p95_ms)} ms in service" if row.p95_ms is not None else ""),
        ("size", _size(row, manifest)),
        ("probe", _probe(answer)),
    ]
    return [*aligned(pairs, width), ()]


def _trained(answer: Answer) -> str:
    row, manifest = answer.page.row, answer.page.manifest
    if row.trained_from is None:
        return "nothing"
    parts = [f"{row.trained_from[:10]}..{(row.trained_to or '')[:10]}"]
    rows = manifest.get("rows")
    parts += [f"{count(rows)} rows"] if isinstance(rows, int) else []
    window = manifest.get("window")
    parts += [f"window {window}"] if window else []
    features = manifest.get("features")
    parts += [f"{len(features)} features"] if isinstance(features, list) else []
    return ", ".join(parts)


def _recipe(answer: Answer) -> str:
    manifest = answer.page.manifest
    parts = [str(manifest.get("recipe") or "--")]
    parts += [_params(answer.lineage.origin)] if answer.lineage else []
    parts += [f"seed {manifest['seed']}"] if "seed" in manifest else []
    threshold = manifest.get("threshold")
    parts += [f"decides at {figure(threshold)}"] if isinstance(threshold, float) else []
    return ", ".join(p for p in parts if p)


def _params(origin: dict[str, Any]) -> str:
    recipe = _under(origin, "candidate", "recipe", "params")
    if not isinstance(recipe, dict) or not recipe:
        return "its own parameters"
    return " ".join(f"{name}={value}" for name, value in recipe.items())


def _chosen(answer: Answer) -> str:
    chosen = _under(answer.lineage.origin if answer.lineage else {}, "search", "chosen")
    return chosen if isinstance(chosen, str) else ""


def _under(value: Any, *names: str) -> Any:
    """Return what lies deep in a manifest, None where it is of another form."""
    for name in names:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _size(row: wire.VersionRow, manifest: dict[str, Any]) -> str:
    size = manifest.get("size_bytes")
    parts = [f"{figure(size / 2**20)} MiB on disk"] if isinstance(size, int) else []
    if row.memory_mib is not None:
        parts.append(f"{figure(row.memory_mib)} MiB in memory")
    return ", ".join(parts)


def _probe(answer: Answer) -> str:
    rows = answer.page.manifest.get("probe_rows")
    if not isinstance(rows, list):
        return ""
    checks = answer.page.report.checks if answer.page.report else []
    seen = next((c for c in checks if "probe" in c.name), None)
    if seen is None:
        return f"{len(rows)} rows kept with their answers"
    apart = f"largest difference {figure(seen.value)}"
    return f"{len(rows)} rows answered in serving: {seen.verdict}, {apart}"


def _age(screen: Screen, created: str | None) -> str:
    return f"{age(created, decision_now(screen))} ago, {clock(created, None)}"


def _plan(model: wire.ModelState | None, row: wire.VersionRow, width: int) -> list[Line]:
    """Draw what R and P would do with this version now."""
    lines = [title("What a key would do", width, line(("on the base screen ", "dim")))]
    if model is None:
        return [*lines, line(" the model is not on this screen"), ()]
    if row.version in (model.champion, model.rollback.to):
        lines += one_plan("R", "roll back", model.rollback, width)
    found = model.promote.get(row.version)
    if found is not None and row.version != model.champion:
        lines += one_plan("P", "promote", found, width)
    elif row.version != model.champion:
        lines += told("P  it cannot be promoted now", width, style="dim")
    return [*lines, ()]


def _gate(screen: Screen, report: wire.GateReport | None, width: int) -> list[Line]:
    if report is None:
        why = "It was not judged. cdml validate VERSION has it judged."
        return [title("Gate", width), *told(why, width, style="dim"), ()]
    word, style = {
        "pass": ("PASSED", "good"), "fail": ("FAILED", "bad"), "inconclusive": ("OPEN", "warn"),
    }[report.verdict]  # fmt: skip
    passed = sum(c.verdict == "pass" for c in report.checks)
    note = line((f"{word} ", style), f"{passed} of {len(report.checks)} ")  # type: ignore[arg-type]
    against = report.against or "the baselines"
    said = [f"against {against} on n {count(report.n)}"]
    if report.holdout_from and report.holdout_to:
        said.append(f"rows of {days(report.holdout_from, report.holdout_to)}")
    said += [f"{metric_word(k)} {figure(v)}" for k, v in report.measured.items()]
    lines = [title("Gate", width, note), *told(", ".join(said), width)]
    for reason in report.reasons:
        lines += told(reason, width, style="warn")
    lines += judged.legend("limit", width, screen.glyphs) if width >= 60 else []
    return [*lines, *judged.checks(report.checks, width, screen.glyphs), ()]


def _lineage(answer: Answer, width: int) -> list[Line]:
    head = title("Lineage", width)
    found = answer.lineage
    if found is None:
        return [head, *told(answer.why or "not known", width, style="dim")]
    used = [b for b in found.batches if b.used]
    files = ""
    if used:
        ends = used[0].file if len(used) == 1 else f"{used[0].file} .. {used[-1].file}"
        of, rows = len(found.batches), count(sum(b.rows for b in used))
        files = f"{len(used)} of {of} batches known then, {rows} rows: {ends}"
    up = _under(found.origin, "inputs", "parent")
    pairs = [
        ("parent", str(up) if up else "none"),
        (
            "judged against",
            f"{found.against}: {found.verdict}" if found.against else "the baselines",
        ),
        ("children", ", ".join(found.children) or "none yet"),
        ("judged against it", ", ".join(found.measured) or "none yet"),
        ("made champion by", ", ".join(f"audit entry {n}" for n in found.led)),
        ("batches", files),
        ("left out", ", ".join(f"{a}..{b}" for a, b in found.without)),
        ("taints", ", ".join(f"{t.number}: {t.reason}" for t in found.taints if not t.lifted)),
        ("packages", ", ".join(f"{k} {v}" for k, v in found.packages.items())),
        ("artifact", found.artifact),
        ("manifest", found.manifest),
    ]
    return [head, *aligned(pairs, width)]


def _opens(screen: Screen, sheet: Sheet) -> Subject | None:
    """Compare it with the champion; the champion with whom it was judged against."""
    model = model_named(screen, sheet.subject.model)
    report = sheet.value.page.report
    other = model.champion if model else None
    if other == sheet.subject.version:
        other = report.against if report else None
    if other is None:
        return None
    return Subject("compare", sheet.subject.model, other, sheet.subject.version)


PAGE = Page(
    "version",
    title=lambda subject: f"Version {subject.version} of {subject.model}",
    draw=_draw,
    ask=_ask,
    about=of_version,
    opens=_opens,
    keys=("compare",),
    rest_s=10.0,
)
