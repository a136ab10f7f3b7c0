"""Readiness of the way back, each minute and after every change: proven before it is needed.

Files, contract against the newest live rows, this machine's packages, the last drill; kept in
memory for whoever plans a rollback, and told when it turns bad or good again.
"""

import importlib.metadata

import msgspec

from engine.artifacts import Manifest
from engine.domain import rollbacks
from engine.domain.contract import Contract
from engine.errors import CdmlError, InvalidError
from engine.pipeline import incidents, way_back
from engine.pipeline.site import Ready, Site, Taken
from engine.store import predictions
from engine.wire import PlanCheck

EVERY_S = 60.0
ROWS = 200


class Drill(msgspec.Struct, frozen=True):
    """One rehearsal: when, of which version, whether it answered, what was found."""

    at: str
    version: str
    ok: bool
    found: str


def keep(site: Site, model: str) -> bool:
    """Look again where a minute has passed or roles were moved; say whether it was looked at."""
    known = site.ready.get(model)
    generation = site.ledger.roles(model).generation
    if (
        known is not None
        and known.generation == generation
        and site.clock.monotonic() - known.looked < EVERY_S
        # Until the present champion has answered, the newest rows may be of another contract.
        and (known.fresh or site.store.changes == known.store)
    ):
        return False
    refresh(site, model)
    return True


def refresh(site: Site, model: str) -> Ready:
    """Look at the way back now, and tell what has turned since the last look."""
    roles = site.ledger.roles(model)
    before = site.ready.get(model)
    looked = site.clock.monotonic()
    store = site.store.changes
    features, generation = predictions.newest_features(site.store, model, ROWS)
    taken = {}
    for former in rollbacks.ladder(way_back.formers(site, model, roles)):
        if (found := _taken(site, model, former.version, features)) is not None:
            taken[former.version] = found
            if found.share >= rollbacks.ACCEPTED:
                break
    fresh = generation >= roles.generation
    # First without checks, so that the target is chosen by what was just measured.
    site.ready[model] = Ready(roles.generation, looked, None, [], taken, fresh, store)
    chosen, passed = way_back.target(site, model, roles)
    checks = _checks(site, model, chosen.version, taken) if chosen else []
    target = chosen.version if chosen else None
    ready = Ready(roles.generation, looked, target, checks, taken, fresh, store)
    site.ready[model] = ready
    bad = {p.version: p.why for p in passed}
    bad |= {f"{target}: {c.name}": c.found for c in checks if not c.ok}
    _tell(site, model, bad, first=before is None)
    return ready


def drilled(site: Site, model: str, version: str, *, ok: bool, found: str) -> None:
    """Remember how a rehearsal of the way back went."""
    drill = Drill(site.moment(), version, ok, found)
    site.ledger.set_meta(f"drill:{model}", msgspec.json.encode(drill).decode())


def _taken(site: Site, model: str, version: str, features: list[str]) -> Taken | None:
    """Return how many of the newest live rows a version's contract takes; None without rows."""
    manifest = _manifest(site, model, version)
    if manifest is None or not features:
        return None
    contract = Contract(manifest.schema())
    flag_nulls = site.model(model).contract == "flag"
    accepted, fault = 0, ""
    for text in features:
        row = msgspec.json.decode(text, type=dict[str, bool | int | float | str | None])
        try:
            contract.check_names(row)
            columns = {name: [value] for name, value in row.items()}
            contract.read(columns, flag_nulls=flag_nulls)
        except InvalidError as e:
            fault = fault or f'{e.code.replace("_", " ")} "{e.field}"'
        else:
            accepted += 1
    return Taken(accepted / len(features), len(features), fault)


def _checks(site: Site, model: str, version: str, taken: dict[str, Taken]) -> list[PlanCheck]:
    checks = []
    row = site.ledger.version(model, version)
    if not site.artifacts.intact(row.manifest or "", afresh=True):
        checks.append(PlanCheck("files afresh", ok=False, found="damaged or gone"))
    if (found := taken.get(version)) is not None:
        checks.append(PlanCheck("contract", found.share >= rollbacks.ACCEPTED, found.said))
    manifest = _manifest(site, model, version)
    if manifest is not None:
        checks.append(_environment(manifest))
    known = site.ledger.meta(f"drill:{model}")
    drill = msgspec.json.decode(known, type=Drill) if known else None
    if drill is not None and drill.version == version:
        checks.append(PlanCheck("drill", drill.ok, f"{drill.at[:16]}Z {drill.found}"))
    return checks


def _environment(manifest: Manifest) -> PlanCheck:
    """Compare the packages a version was made with with those of this machine."""
    others = []
    for name, version in manifest.packages.items():
        try:
            here = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            here = "not installed"
        if here != version:
            others.append(f"{name} {version} then, {here} now")
    return PlanCheck("environment", not others, "; ".join(others) or "packages as in training")


def _manifest(site: Site, model: str, version: str) -> Manifest | None:
    try:
        return site.artifacts.manifest(site.ledger.version(model, version).manifest or "")
    except CdmlError:
        return None


def _tell(site: Site, model: str, bad: dict[str, str], *, first: bool) -> None:
    """Tell what has turned bad or good; after a start, only what is bad and was not told."""
    key = f"readiness:{model}"
    said = "; ".join(f"{what}: {why}" for what, why in sorted(bad.items()))
    names = ",".join(sorted(bad))
    before = site.ledger.meta(key) or ""
    if names == before:
        return
    site.ledger.set_meta(key, names)
    if bad:
        site.tell("WARN", "readiness", model, f"the way back: {said}")
        incidents.note(site, model, "engine", "evidence", f"the way back: {said}")
    elif not first:
        site.tell("INFO", "readiness", model, "the way back is whole again")
