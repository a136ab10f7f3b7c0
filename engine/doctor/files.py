"""What lies in a workspace: rights, ledger, versions, spool, store, backups, packages."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

from engine import spool
from engine.artifacts import Artifacts
from engine.clock import SystemClock, parse_time
from engine.doctor.finding import Finding, Patient, bad, ok, warn
from engine.ledger.ledger import Ledger
from engine.pipeline import backups, fingerprint, tampering
from engine.pipeline import retention as retaining
from engine.pipeline.backup import ROOM, kept, size_of
from engine.pipeline.load import DAMAGED, TIDE
from engine.quantities import duration
from engine.store.connection import commits_in
from engine.workspace import Workspace

OLD = timedelta(days=7)
# A segment goes when it is loaded and a day old.
LOADED = timedelta(hours=26)
READERS = 4
NAMED = 5


def rights(patient: Patient) -> Iterator[Finding]:
    """Whose the workspace is, whether its owner may write all of it, and who else may read it."""
    w = patient.workspace
    owner = w.root.stat().st_uid
    if owner != os.geteuid() and os.geteuid() != 0:
        yield bad("rights", f"the workspace belongs to {_user(owner)}", "Run cdml as that user.")
    found = [p for p in (w.root, *w.root.iterdir(), *w.keys.glob("*")) if not p.is_symlink()]
    found += [w.run / name for name in ("lock", "engine.sock", "serving.sock")]
    there = [(p, p.stat()) for p in found if p.exists()]
    others = [p for p, s in there if s.st_uid != owner]
    if others:
        yield bad(
            "rights", f"{_names(w, others)} belong to somebody else than the workspace",
            f"As root: chown -R {_user(owner)} {w.root}",
        )  # fmt: skip
    closed = [p for p, s in there if p.is_dir() and s.st_mode & stat.S_IRWXU != stat.S_IRWXU]
    if closed:
        yield bad("rights", f"nobody may write into {_names(w, closed)}", f"chmod u+rwx {w.root}/*")
    secret = [p for p, s in there if p.parent == w.keys and p.suffix != ".pub"
              and p.name != "public" and s.st_mode & 0o077]  # fmt: skip
    if secret:
        yield bad(
            "rights", f"others than the owner may read {_names(w, secret)}",
            f"chmod go-rwx {' '.join(str(p) for p in secret)}",
        )  # fmt: skip
    open_to_all = [p for p, s in there if p != w.root and s.st_mode & (stat.S_IROTH | stat.S_IWOTH)]
    if open_to_all and w.root.stat().st_mode & stat.S_IXOTH:
        yield warn(
            "rights", f"everybody may read {_names(w, open_to_all)}", f"chmod o-rwx {w.root}"
        )
    elif not others and not closed and not secret:
        yield ok("rights", "owner and group alone")


def audit(patient: Patient) -> Iterator[Finding]:
    """Whether the audit chain holds and adds up to what is."""
    found = Ledger(patient.workspace.ledger, readonly=True)
    try:
        fault = found.audit_fault()
    finally:
        found.close()
    if fault is not None:
        mend = (
            "Keep ledger.sqlite as it is and find out who changed it. cdml restore BACKUP DIR "
            "brings the newest backup into a folder beside it, to compare with or to go on from."
        )
        yield bad("audit", fault, mend)
    else:
        yield ok("audit", "the chain holds and adds up to the present state")


def versions(patient: Patient) -> Iterator[Finding]:
    """Every version's signature and digest, read anew."""
    w = patient.workspace
    found = Ledger(w.ledger, readonly=True)
    try:
        known = [(m, v) for m in found.models() for v in found.versions(m) if v.manifest]
        champions = {(m, found.roles(m).champion) for m in found.models()}
    finally:
        found.close()
    artifacts = Artifacts(w.artifacts, w.keys)
    with ThreadPoolExecutor(READERS) as pool:
        intact = list(pool.map(lambda v: tampering.as_sealed(artifacts, v), (v for _, v in known)))
    broken = [(m, v.version) for (m, v), whole in zip(known, intact, strict=True) if not whole]
    if not broken:
        yield ok("versions", f"{len(known)} as they were signed")
        return
    names = ", ".join(f"{v} of {m}" for m, v in broken)
    mend = (
        f"Do not promote them. cdml restore BACKUP DIR, then copy DIR/artifacts/* into "
        f"{w.artifacts}; or train anew: cdml train {broken[0][0]}."
    )
    led = [f"cdml rollback {m}" for m, v in broken if (m, v) in champions]
    if led:
        mend += f" Who serves is among them and would not load again: {', '.join(led)}."
    yield bad("versions", f"not as they were signed: {names}", mend)


def log(patient: Patient) -> Iterator[Finding]:
    """The spool: damage that was met, and what should have been loaded long ago."""
    w = patient.workspace
    damaged = list(w.spool.glob(f"*{DAMAGED}"))
    if damaged:
        yield warn(
            "spool", f"{len(damaged)} segments had damaged records",
            f"cdml logs engine says which records. They are kept, and go after "
            f"{patient.settings.retention.refused}; looked at: rm {w.spool}/*{DAMAGED}",
        )  # fmt: skip
    found = spool.segments(w.spool)
    old = (SystemClock().wall() - LOADED).timestamp()
    late = [s for s in found[:-1] if s.path.with_suffix(DAMAGED) not in damaged
            and s.path.stat().st_mtime < old]  # fmt: skip
    if late and patient.engine is not None:
        yield bad(
            "spool", f"{len(late)} segments of more than a day ago wait to be loaded",
            "cdml logs engine says why; mostly the disk is full, or cdml freeze holds everything.",
        )  # fmt: skip
    size = sum(s.size for s in found) / 2**20
    yield ok("spool", f"{size:.1f} MiB; what is loaded stays for a day")
    dropped = (patient.engine or {}).get("serving", {}).get("dropped", 0)
    if dropped:
        yield bad(
            "spool", f"{dropped} answers could not be logged since serving started",
            f"They are lost to monitoring. Free disk space and see that {w.spool} can be written; "
            "the count begins anew when serving does.",
        )  # fmt: skip


def store(patient: Patient) -> Iterator[Finding]:
    """Whether the metric store has all the commits that the ledger knows of."""
    w = patient.workspace
    size = f"{w.store.stat().st_size / 2**20:.1f} MiB" if w.store.exists() else "none yet"
    if patient.engine is not None:
        state, note = patient.engine["engine"]["state"], patient.engine["engine"]["note"]
        if state != "ready":
            mend = (
                "It is loaded again from the spool by itself: cdml logs engine --follow. What is "
                "older than a day is in the newest backup alone."
            )
            yield bad("store", note or state, mend)
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
            f"cdml up -w {w.root}: it sets the file aside and loads what the spool still has; "
            "what is older is in the newest backup.",
        )  # fmt: skip
    else:
        yield ok("store", f"{size}, {there} commits, complete")


def copies(patient: Patient) -> Iterator[Finding]:
    """When the workspace was last copied, and whether there is room for the next copy."""
    w, settings = patient.workspace, patient.settings.backup
    home = (w.root / settings.folder).absolute()
    found = Ledger(w.ledger, readonly=True)
    last = found.meta(backups.LAST)
    found.close()
    if home.exists():
        needed, free = size_of(w, home), shutil.disk_usage(home).free
        if free < needed + ROOM:
            yield bad(
                "backup", f"a copy takes {needed >> 20} MiB and {free >> 20} are free in {home}",
                "Free disk space, or name another folder at [backup] in cdml.toml.",
            )  # fmt: skip
    if last is None or not kept(home, w):
        mend = 'Make one: cdml backup. [backup] every = "1d" in cdml.toml makes one a day.'
        yield warn("backup", f"there is none in {home}", mend)
        return
    age = SystemClock().wall() - parse_time(last)
    most = duration(settings.every) * 2 if settings.every else OLD
    said = f"the last is {age / timedelta(days=1):.1f} days old"
    mend = "Make one: cdml backup; cdml logs engine says why none was made on time."
    yield warn("backup", said, mend) if age > most else ok("backup", said)


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
        mend = "cdml logs engine says why; mostly a freeze (cdml thaw), or no room on the disk."
        yield warn("retention", late, mend)
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


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"uid {uid}"


def _names(workspace: Workspace, paths: Sequence[Path]) -> str:
    names = [str(p.relative_to(workspace.root)) for p in paths]
    more = f" and {len(names) - NAMED} more" if len(names) > NAMED else ""
    return ", ".join(names[:NAMED]) + more
