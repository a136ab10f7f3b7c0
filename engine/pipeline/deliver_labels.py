"""Labels that come as a file: id, value and when each became known, merged like any others.

They stand in the log before they stand in the store, as do those that serving takes: from there a
store that was lost gets them again.
"""

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import msgspec

from engine import durable, spool
from engine.clock import iso
from engine.domain.acceptance import Verdict
from engine.errors import InvalidError, UnavailableError
from engine.pipeline import label_vetting, waiting
from engine.pipeline.load import label_rows
from engine.pipeline.site import Site
from engine.settings import ModelSettings
from engine.spool import LabelRecord
from engine.stats import outcomes
from engine.store import intake, predictions
from engine.store.batches import Batch
from engine.store.predictions import Block
from engine.wire import Label, UploadAnswer

RECORD_LABELS = 1000


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
            Label(outcomes.class_name(row[0]), iso_of(row[2]) if ts_name else now, _scalar(row[1]))
            for row in rows
            if row[0] is not None and not (ts_name and row[2] is None)
        ]
        verdict = label_vetting.vet(site, model, made)
        if verdict.refused and not waived:
            return _set_aside(site, model, path, name, len(made), verdict)
        _merge(site, LabelRecord(model, now, made, f"file:{name}"), name)
    finally:
        path.unlink(missing_ok=True)
    site.tell("INFO", "labels", model, f'"{name}" brought {len(made)} labels')
    skipped = len(rows) - len(made)
    reasons = [f"{skipped} rows have no id or no time and were left out"] if skipped else []
    reasons += [*verdict.refused, *verdict.warnings]
    done = "accepted_with_warnings" if reasons else "accepted"
    return UploadAnswer(model, name, done, None, len(made), reasons)  # type: ignore[arg-type]


def _scalar(value: Any) -> bool | int | float | str | None:
    """Return a value as JSON has it: a decimal or a date is text there."""
    scalar: bool | int | float | str | None = msgspec.to_builtins(value, builtin_types=())
    # Beyond what a record holds; a float is as good a label.
    return float(scalar) if isinstance(scalar, int) and abs(scalar) >= 2**63 else scalar


def _merge(site: Site, record: LabelRecord, name: str) -> None:
    """Have labels on the disk, as a segment of the log, and then in the store with its mark."""
    if not record.labels:
        return
    content = _segment(record)
    digest = hashlib.sha256(content).hexdigest()
    try:
        # Numbered like the newest of serving's: that one is still missed when somebody takes it.
        number = max(1, spool.last_number(site.workspace.spool))
        segment = f"0{digest[:31]}-{number:08d}.seg"
        durable.replace_whole(site.workspace.spool / segment, content)
    except OSError as e:
        raise UnavailableError(
            f'Keeping {len(record.labels)} labels of "{name}": {e.strerror or e}. Nothing was '
            "taken in. Free disk space and deliver it again.",
            code="no_space",
        ) from e
    rows = label_rows(record.model, record.received, record.labels, record.source)
    predictions.load(site.store, Block([], [], rows, {segment: len(content)}))


def _segment(record: LabelRecord) -> bytes:
    """Return labels as records of the log."""
    parts: list[Sequence[Label]] = [
        record.labels[at : at + RECORD_LABELS] for at in range(0, len(record.labels), RECORD_LABELS)
    ]
    records = [
        spool.encode(LabelRecord(record.model, record.received, list(part), record.source))
        for part in parts
    ]
    return b"".join(spool.framed(number, found) for number, found in enumerate(records, 1))


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
