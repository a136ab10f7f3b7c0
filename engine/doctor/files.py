"""What lies in a workspace: rights, ledger, versions, spool, store, backups, packages."""

import os
import stat
from collections.abc import Iterator
from datetime import timedelta

from engine import spool
from engine.artifacts import Artifacts
from engine.clock import SystemClock, parse_time
from engine.doctor.finding import Finding, Patient, bad, ok, warn
from engine.ledger.ledger import Ledger
from engine.pipeline import backups, fingerprint, tampering
from engine.pipeline import retention as retaining
from engine.pipeline.backup import kept
from engine.pipeline.load import DAMAGED, TIDE
from engine.quantities import duration
from engine.store.connection import commits_in

BEHIND = 64 * 2**20
OLD = timedelta(days=7)


def rights(patient: Patient) -> Iterator[Finding]:
    """Whose the workspace is, and who else may read it."""
    w = patient.workspace
    owner = w.root.stat().st_uid
    if owner != os.geteuid() and os.geteuid() != 0:
        yield bad("rights", f"the workspace belongs to uid {owner}", "Run cdml as that user.")
    open_to_all = [
        p.relative_to(w.root)
        for p in (w.ledger, w.store, w.keys, *w.keys.iterdir(), w.spool, w.batches)
        if p.exists() and p.stat().st_mode & (stat.S_IROTH | stat.S_IWOTH)
        and w.root.stat().st_mode & stat.S_IXOTH and p.suffix != ".pub"
    ]  # fmt: skip
    if open_to_all:
        names = ", ".join(map(str, open_to_all[:5]))
        yield warn("rights", f"everybody may read {names}", f"chmod o-rwx {w.root}")
    elif owner == os.geteuid() or os.geteuid() == 0:
        yield ok("rights", "owner and group alone")


def ledger(patient: Patient) -> Iterator[Finding]:
    """The audit chain, and every version's signature and digest."""
    w = patient.workspace
    found = Ledger(w.ledger, readonly=True)
    try:
        fault = found.audit_fault()
        versions = [v for m in found.models() for v in found.versions(m) if v.manifest]
    finally:
        found.close()
    if fault is not None:
        yield bad("audit", fault, "Compare with the newest backup: cdml restore BACKUP DIR.")
    else:
        yield ok("audit", "the chain holds and adds up to the present state")
    artifacts = Artifacts(w.artifacts, w.keys)
    broken = [
        f"{v.version} of {v.model}" for v in versions if not tampering.as_sealed(artifacts, v)
    ]
    if broken:
        mend = "Do not promote them; bring their files back from a backup, or train anew."
        yield bad("versions", f"not as they were signed: {', '.join(broken)}", mend)
    else:
        yield ok("versions", f"{len(versions)} as they were signed")


def log(patient: Patient) -> Iterator[Finding]:
    """The spool: damage that was met, and how much waits to be loaded."""
    w = patient.workspace
    damaged = [p.name for p in w.spool.glob(f"*{DAMAGED}")]
    if damaged:
        yield warn(
            "spool", f"{len(damaged)} segments had damaged records",
            "They are kept; the events say which records. Remove the .damaged files when done.",
        )  # fmt: skip
    size = sum(s.size for s in spool.segments(w.spool))
    yield ok("spool", f"{size / 2**20:.1f} MiB, loaded ones stay for a day")
    dropped = (patient.engine or {}).get("serving", {}).get("dropped", 0)
    if dropped:
        yield bad("spool", f"{dropped} records were dropped", "Free disk space; see the events.")


def store(patient: Patient) -> Iterator[Finding]:
    """Whether the metric store has all the commits that the ledger knows of."""
    w = patient.workspace
    size = f"{w.store.stat().st_size / 2**20:.1f} MiB" if w.store.exists() else "none yet"
    if patient.engine is not None:
        state, note = patient.engine["engine"]["state"], patient.engine["engine"]["note"]
        if state != "ready":
            yield bad("store", note, "It is loaded again from the spool; watch the events.")
        else:
            yield ok("store", f"{size}, complete")
        return
    found = Ledger(w.ledger, readonly=True)
    noted = int(found.meta(TIDE) or 0)
    found.close()
    there = commits_in(w.store) if w.store.exists() else 0
    if there < noted:
        yield bad(
            "store", f"{there} of {noted} commits",
            "Start the engine: it sets the file aside and loads what the spool still has.",
        )  # fmt: skip
    else:
        yield ok("store", f"{size}, {there} commits, complete")


def copies(patient: Patient) -> Iterator[Finding]:
    """When the workspace was last copied."""
    settings = patient.settings.backup
    home = (patient.workspace.root / settings.folder).absolute()
    found = Ledger(patient.workspace.ledger, readonly=True)
    last = found.meta(backups.LAST)
    found.close()
    if last is None or not kept(home, patient.workspace):
        yield warn("backup", "there is none", "cdml backup; [backup] every does it on time.")
        return
    age = SystemClock().wall() - parse_time(last)
    most = duration(settings.every) * 2 if settings.every else OLD
    said = f"the last is {age / timedelta(days=1):.1f} days old"
    yield warn("backup", said, "cdml backup") if age > most else ok("backup", said)


def retention(patient: Patient) -> Iterator[Finding]:
    """When what is old was last let go of, and what lies in history/."""
    w, settings = patient.workspace, patient.settings.retention
    found = Ledger(w.ledger, readonly=True)
    last = found.meta(retaining.LAST)
    found.close()
    days = list((w.root / "history").rglob("*.parquet"))
    size = sum(f.stat().st_size for f in days) / 2**20
    said = (
        f"answers stay {settings.predictions} in the store, then until {settings.archive} in "
        f"history/: {len(days)} days, {size:.1f} MiB"
    )
    age = SystemClock().wall() - parse_time(last) if last else None
    if patient.engine is not None and age is not None and age > 2 * retaining.EVERY:
        late = f"not looked at for {age / timedelta(days=1):.1f} days"
        yield warn("retention", late, "cdml events says why: a freeze, or no room on the disk.")
    else:
        yield ok("retention", said)


def packages(patient: Patient) -> Iterator[Finding]:
    """The packages that champions were made with against those of this machine."""
    here = fingerprint.packages()
    w = patient.workspace
    artifacts, found = Artifacts(w.artifacts, w.keys), Ledger(w.ledger, readonly=True)
    try:
        for model in found.models():
            champion = found.roles(model).champion
            manifest = found.version(model, champion).manifest if champion else None
            made = artifacts.manifest(manifest).packages if manifest else {}
            others = [
                f"{p} {v} then, {here.get(p)} now" for p, v in made.items() if here.get(p) != v
            ]
            if others:
                yield warn(
                    "packages", f"{champion} of {model}: {'; '.join(others)}",
                    f"cdml train {model}, so that the champion is of these packages.",
                )  # fmt: skip
    finally:
        found.close()
    yield ok("packages", ", ".join(f"{p} {v}" for p, v in here.items()))
