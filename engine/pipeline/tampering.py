"""Files of loaded versions and the ledger's chain read again every ten minutes: changes are told.

One version at a time, read-only; serving keeps what it has in memory.
"""

from engine.artifacts import Artifacts
from engine.domain.attacks import Kind
from engine.ledger.ledger import Version
from engine.pipeline import readiness
from engine.pipeline import signs as told
from engine.pipeline.signs import Sign
from engine.pipeline.site import Site

EVERY_S = 600.0


def watch(site: Site) -> None:
    """Read the files of the loaded version that was longest not looked at, if that is due."""
    now = site.clock.monotonic()
    for model in site.settings.models:
        for version in _loaded(site, model):
            if now - site.rehashed.get((model, version), -EVERY_S) >= EVERY_S:
                site.rehashed[model, version] = now
                look(site, model, version)
                return


def verify(site: Site) -> None:
    """Follow the audit chain to what the ledger says now, if that is due; tell once what is wrong.

    Another process may write between two looks at the ledger: what is wrong is so twice.
    """
    last, known = site.chained
    now = site.clock.monotonic()
    if now - last < EVERY_S:
        return
    found = site.ledger.audit_fault() and site.ledger.audit_fault()
    site.chained = now, found or ""
    if found and found != known:
        said = f"the audit chain is broken: {found}. Compare with the newest backup"
        site.tell("CRIT", "audit", None, f"{said}: cdml restore BACKUP DIR")
    elif known and not found:
        site.tell("INFO", "audit", None, "the audit chain holds again")


def look(site: Site, model: str, version: str) -> None:
    """Compare a version's files with digests, signature and ledger; tell what has turned."""
    whole = as_sealed(site.artifacts, site.ledger.version(model, version))
    known = any(
        s.kind is Kind.TAMPERED and s.subject == version for s in told.standing(site, model)
    )
    if whole and known:
        told.end(site, model, Kind.TAMPERED, version, "its files are as they were sealed")
    if whole == known:
        readiness.refresh(site, model)
    if not whole and not known:
        _tell(site, model, version)


def as_sealed(artifacts: Artifacts, found: Version) -> bool:
    """Say whether a version's files are as sealed, and the ones that were sealed as this one."""
    name = found.manifest or ""
    if not artifacts.intact(name, afresh=True):
        return False
    manifest = artifacts.manifest(name)
    return (manifest.model, manifest.run, manifest.safe_mode) == (
        found.model,
        found.run,
        found.safe_mode,
    )


def _tell(site: Site, model: str, version: str) -> None:
    roles, now = site.ledger.roles(model), site.moment()
    leads = version == roles.champion
    role = (
        "the champion" if leads else "in memory as a way back" if version in roles.standby else ""
    )
    said = (
        f"files of {version}{f', {role},' if role else ''} are gone or not as they were sealed; "
        "what is in memory goes on"
    )
    plan = (
        f"cdml rollback {model} --attack, then restore the files of {version} from a backup; find "
        f"out who can write to {site.workspace.artifacts}"
        if leads
        else f"{version} is out of the way back; restore its files from a backup, or train again"
    )
    told.keep(site, model, Sign(Kind.TAMPERED, version, now, now, 1, said, now), plan)


def _loaded(site: Site, model: str) -> list[str]:
    """Return the versions in memory, as the ledger names them and serving was last heard to."""
    named = site.ledger.roles(model).loaded()
    return sorted({*named, *site.serving.loaded(model)} - {""})
