"""Labels that come as a file: id, value and when each became known, merged like any others."""

from pathlib import Path
from typing import Any

from engine.clock import iso
from engine.domain.acceptance import Verdict
from engine.errors import InvalidError
from engine.pipeline import label_vetting, waiting
from engine.pipeline.load import label_rows
from engine.pipeline.site import Site
from engine.settings import ModelSettings
from engine.stats import outcomes
from engine.store import intake, labels
from engine.store.batches import Batch
from engine.wire import Label, UploadAnswer


def deliver(site: Site, model: str, path: Path, waived: str = "") -> UploadAnswer:
    """Merge a file's labels; InvalidError names what is missing, and nothing was taken.

    What the accepted batches do not let expect is set aside, unless `waived` says who accepts it.
    """
    settings = site.model(model)
    name = path.name.lstrip(".")
    try:
        found = intake.columns(path)
        id_name, value_name, ts_name = _columns(settings, found, name)
        timezone = site.settings.workspace.timezone
        rows = intake.values(path, [id_name, value_name], ts_name, timezone)
        now = site.moment()
        made = [
            Label(outcomes.class_name(row[0]), iso_of(row[2]) if ts_name else now, row[1])
            for row in rows
            if row[0] is not None and not (ts_name and row[2] is None)
        ]
        verdict = label_vetting.vet(site, model, made)
        if verdict.refused and not waived:
            return _set_aside(site, model, path, name, len(made), verdict)
        labels.add(site.store, label_rows(model, now, made, f"file:{name}"))
    finally:
        path.unlink(missing_ok=True)
    site.tell("INFO", "labels", model, f'"{name}" brought {len(made)} labels')
    skipped = len(rows) - len(made)
    reasons = [f"{skipped} rows have no id or no time and were left out"] if skipped else []
    reasons += [*verdict.refused, *verdict.warnings]
    done = "accepted_with_warnings" if reasons else "accepted"
    return UploadAnswer(model, name, done, None, len(made), reasons)  # type: ignore[arg-type]


def _set_aside(
    site: Site, model: str, path: Path, name: str, n: int, verdict: Verdict
) -> UploadAnswer:
    source, now = intake.source_digest(path), site.clock.now()
    batch = Batch(
        source, model, name, "", now, n, None, None, "quarantined", verdict.refused,
        waiting.findings(verdict), "labels",
    )  # fmt: skip
    told = waiting.set_aside(site, path, batch)
    site.tell("WARN", "labels", model, f'"{name}" quarantined: {"; ".join(told)}')
    return UploadAnswer(model, name, "quarantined", None, 0, told)


def iso_of(moment: Any) -> str:
    """Return a stored UTC time as text."""
    from datetime import UTC

    return iso(moment.replace(tzinfo=UTC))


def _columns(
    settings: ModelSettings, found: dict[str, str], file: str
) -> tuple[str, str, str | None]:
    """Choose the columns: "id" or the model's own, "value" or its target, "ts" or its time."""
    chosen = []
    for plain, own in (("id", settings.id), ("value", settings.target)):
        name = next((n for n in (plain, own) if n and n in found), None)
        if name is None:
            raise InvalidError(
                f'Reading labels from "{file}": there is no column "{plain}"'
                f"{f' or {chr(34)}{own}{chr(34)}' if own else ''}. It has: {', '.join(found)}. "
                "Deliver columns id, value and ts.",
                code="missing_column",
                field=plain,
            )
        chosen.append(name)
    ts = next((n for n in ("ts", settings.label_time) if n and n in found), None)
    return chosen[0], chosen[1], ts
