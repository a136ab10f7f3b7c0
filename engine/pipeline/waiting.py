"""Files set aside: kept with their reasons, told, and an alert until a person decided about all."""

import shutil
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from engine.domain.acceptance import RULES, Verdict
from engine.domain.alerts import Finding
from engine.pipeline import alerts
from engine.pipeline.site import Site
from engine.store import batches
from engine.store.batches import Batch
from engine.wire import BatchFinding

SHORT = 12
ALERT = ("quarantine", "files")
SAID = 160
YEAR = timedelta(days=365)
FEWEST = 100


def set_aside(site: Site, path: Path, batch: Batch) -> list[str]:
    """Keep a file with the reasons beside it; return what to tell: these and the commands."""
    kept = path_of(site, batch)
    shutil.move(path, kept)
    why_of(kept).write_text("\n".join(batch.reasons) + "\n", encoding="utf-8")
    batches.add(site.store, batch, {})
    announce(site, batch.model)
    command = commands(batch)[0]
    return [
        *batch.reasons,
        f"Type {command}, or discard instead of accept."
        if batch.rows
        else f"It cannot be taken in as it is: deliver it mended, then type {command}.",
    ]


def path_of(site: Site, batch: Batch) -> Path:
    """Return where a file in quarantine lies."""
    return site.workspace.quarantine(batch.model) / f"{batch.batch[:SHORT]}-{batch.file}"


def why_of(kept: Path) -> Path:
    """Return where the reasons lie beside a file in quarantine."""
    return kept.with_name(kept.name + ".why.txt")


def commands(batch: Batch) -> list[str]:
    """Return the commands that decide about a file in quarantine; no person accepts no rows."""
    return [
        f"cdml quarantine {batch.model} {verb} {batch.batch[:SHORT]} --reason T"
        for verb in (("accept", "discard") if batch.rows else ("discard",))
    ]


def findings(verdict: Verdict) -> list[BatchFinding]:
    """Return what is told of a batch, taken apart."""
    return [
        BatchFinding(
            w.found.check, w.found.said, w.next, w.refuses, w.found.column, [*w.found.rows]
        )
        for w in verdict.told
    ]


def standing(known: Sequence[Batch]) -> list[Batch]:
    """Return what is in quarantine; a file judged twice is one, with the newest reasons."""
    found = [b for b in known if b.verdict == "quarantined"]
    return list({b.batch: b for b in found}.values())


def eased(site: Site, model: str, known: Sequence[Batch]) -> float:
    """Return how much wider limits are, because people accepted too many files set aside; 1 is not.

    Of the files of a year, those accepted in spite of a limit that may be mistaken, over the share
    that the settings allow.
    """
    since = site.clock.now() - YEAR
    lately = [b for b in known if b.received >= since]
    taken = [b for b in lately if b.verdict.startswith("accepted")]
    false = [b for b in lately if b.verdict == "released" and _mistaken(b)]
    allowed = site.model(model).false_quarantines * max(len(taken), FEWEST)
    return max(1.0, len(false) / allowed)


def _mistaken(batch: Batch) -> bool:
    return any(f.refuses and RULES[f.check].usual for f in batch.findings if f.check in RULES)


def announce(site: Site, model: str) -> None:
    """Raise or end the alert about files that wait for a person."""
    waiting = standing(batches.known(site.store, model))
    if not waiting:
        alerts.over(site, model, ALERT, "every file was decided about")
        return
    newest, n = waiting[-1], len(waiting)
    why = newest.reasons[0][:SAID] if newest.reasons else ""
    text = f'{n} in quarantine, the newest "{newest.file}": {why}'
    champion = site.ledger.roles(model).champion or ""
    finding = Finding(*ALERT, float(n), 0.0, n, text)
    alerts.settle(site, model, [finding], champion, site.clock.now())
