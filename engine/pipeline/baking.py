"""A champion that is not proven yet, watched by what its clients get; taken back when it fails.

Only on an alarm that holds however often one looks, on fresh evidence, once per incident, never
after a rollback, and never where the version gone back to fails the same rows: then it is the data.
Rows that its contract refuses count only where that version would take them.
"""

from datetime import timedelta

import msgspec

from engine.clock import iso, parse_time
from engine.domain import guardrails
from engine.domain.guardrails import ERRORS
from engine.domain.lifecycle import Fitness
from engine.domain.locks import FREEZE, PIN
from engine.errors import CdmlError
from engine.ledger.change import Actor
from engine.pipeline import incidents, limits, locks, way_back
from engine.pipeline.evidence import Counts, since_heard
from engine.pipeline.rollback import rollback
from engine.pipeline.site import Site
from engine.stats.sequential import rate_interval
from engine.store import predictions
from engine.wire import Change

BAKING = Actor("guardrail", "baking")
FRESH = timedelta(minutes=20)
ROWS = 50


class Watched(msgspec.Struct, frozen=True):
    """What is kept of a champion's reign: serving's counts as last taken in, what they came to."""

    version: str
    reign: int
    generation: int
    heard: dict[str, Counts] = {}
    rows: int = 0
    failed: int = 0
    last_failed: str | None = None
    alarmed: bool = False
    refused: int = 0
    heard_refused: int = 0
    spared: dict[str, int] = {}
    heard_spared: dict[str, int] = {}
    last_refused: str | None = None
    refusal_alarmed: bool = False


def watch(site: Site, model: str) -> bool:
    """Take in what the champion failed; say whether that was an alarm, which is acted on."""
    roles = site.ledger.roles(model)
    if roles.champion is None:
        return False
    before = _watched(site, model, roles.champion, roles.generation)
    after = _refusals(site, model, _taken_in(site, model, before))
    failing = None if after.alarmed else _failing(site, model, after)
    refusing = None if after.refusal_alarmed else _refusing(site, model, after)
    after = msgspec.structs.replace(
        after,
        alarmed=after.alarmed or failing is not None,
        refusal_alarmed=after.refusal_alarmed or refusing is not None,
    )
    said = "; ".join(alarm for alarm in (failing, refusing) if alarm)
    try:
        if said:
            _act(site, model, after, said)
    finally:
        # After acting: an engine that dies in between acts again, and the key lets it act once.
        if after != before:
            site.ledger.set_meta(f"baking:{model}", msgspec.json.encode(after).decode())
    return bool(said)


def _failing(site: Site, model: str, found: Watched) -> str | None:
    """Say that a champion surely fails more rows than it may, and still does; else None."""
    what = f"{found.version} failed {found.failed} of {found.rows} rows"
    return _beyond(site, model, what, found.failed, found.rows, found.last_failed)


def _refusing(site: Site, model: str, found: Watched) -> str | None:
    """Say that its contract surely refuses too many rows that the way back takes; else None.

    What that one refuses as well is for whoever sends it.
    """
    if not found.spared:
        return None
    target, _ = way_back.target(site, model, site.ledger.roles(model))
    spared = found.spared.get(target.version, 0) if target else 0
    if target is None or not spared:
        return None
    asked = found.rows + found.refused
    what = (
        f"{found.version} refused {found.refused} of {asked} rows by its contract, "
        f"{spared} of them {target.version} takes"
    )
    return _beyond(site, model, what, spared, asked, found.last_refused)


def _beyond(site: Site, model: str, what: str, bad: int, rows: int, last: str | None) -> str | None:
    """Return an alarm where a share is surely over the limit, however often one looks, and new."""
    settings = site.model(model).rollout
    # Errors and refusals share the false alarms allowed, half each.
    interval = rate_interval(bad, rows, guardrails.level(ERRORS, settings.alpha))
    fresh = last is not None and site.clock.now() - parse_time(last) <= FRESH
    if interval is None or not fresh or interval[0] <= settings.error_limit:
        return None
    return (
        f"{what}, surely more than {100 * interval[0]:.1f} %, "
        f"limit {100 * settings.error_limit:g} %"
    )


def _watched(site: Site, model: str, champion: str, generation: int) -> Watched:
    """Return what is known of the champion of this generation; another one's counts for nothing."""
    text = site.ledger.meta(f"baking:{model}")
    found = msgspec.json.decode(text, type=Watched) if text else None
    move = site.ledger.last_move(model)
    reign = (move.generation_after if move else None) or 0
    if found is None or (found.version, found.reign) != (champion, reign):
        return Watched(champion, reign, generation)
    # Serving counts from zero in each generation; what was counted before still counts.
    same = found.generation == generation
    anew = msgspec.structs.replace(
        found, generation=generation, heard={}, heard_refused=0, heard_spared={}
    )
    return found if same else anew


def _taken_in(site: Site, model: str, before: Watched) -> Watched:
    tallies = {v: (n, bad) for v, (n, bad) in site.serving.tallies(model).items()}
    rows, failed = since_heard(before.heard, tallies, before.version)
    if not rows:
        return before
    return msgspec.structs.replace(
        before,
        heard={v: c for v, c in tallies.items() if v == before.version},
        rows=before.rows + rows,
        failed=before.failed + failed,
        last_failed=iso(site.clock.now()) if failed else before.last_failed,
    )


def _refusals(site: Site, model: str, before: Watched) -> Watched:
    """Take in what the champion's contract refused, and which versions would have taken it."""
    refused, spared = site.serving.refusals(model)
    now = refused.get(before.version, 0)
    # Counts that went down are those of a serving process that began anew.
    again = now < before.heard_refused
    new = now - (0 if again else before.heard_refused)
    if not new:
        return before
    heard = {} if again else before.heard_spared
    fresh = {v: max(0, n - heard.get(v, 0)) for v, n in sorted(spared.items())}
    return msgspec.structs.replace(
        before,
        refused=before.refused + new,
        heard_refused=now,
        spared=before.spared | {v: before.spared.get(v, 0) + n for v, n in fresh.items()},
        heard_spared=dict(spared),
        last_refused=iso(site.clock.now()) if any(fresh.values()) else before.last_refused,
    )


def _act(site: Site, model: str, found: Watched, said: str) -> None:
    target, why = _way_out(site, model, found.version)
    site.tell("CRIT", "baking", model, said if target else f"{said}. No automatic rollback: {why}")
    incident = incidents.opened(site, model, said, version=found.version)
    incidents.note(site, model, str(BAKING), "evidence", said)
    key = f"baking-{model}-incident-{incident}"
    if target is None or site.ledger.first_use(key) is not None:
        if target is not None:
            again = f"incident {incident} has had its automatic rollback; a person decides now"
            site.tell("CRIT", "baking", model, again)
        return
    asked = Change(key, expect=found.version, reason=said)
    try:
        rollback(site, model, BAKING, asked)
    except CdmlError as e:
        site.tell("CRIT", "baking", model, e.message)
    limits.acted(site, model)


def _way_out(site: Site, model: str, champion: str) -> tuple[str | None, str]:
    """Return where an automatic rollback may go, or None and why there may be none."""
    if not site.model(model).rollout.auto_rollback:
        return None, "the policy says auto_rollback = false"
    if site.ledger.version(model, champion).fitness is Fitness.PROVEN:
        return None, f"{champion} is proven, a person decides: cdml rollback {model}"
    move = site.ledger.last_move(model)
    if move is None or move.action in ("rollback", "undo"):
        return None, f"{champion} became champion by {move.action if move else 'nothing known'}"
    lock = next((k for k in locks.standing(site, model) if k.kind in (FREEZE, PIN)), None)
    if lock is not None:
        return None, f"a {lock.kind} stands"
    target, _ = way_back.target(site, model, site.ledger.roles(model))
    if target is None:
        return None, "there is no version to go back to"
    if (same := _same_symptom(site, model, target.version)) is not None:
        return None, f"it is the data: {same}"
    return target.version, ""


def _same_symptom(site: Site, model: str, version: str) -> str | None:
    """Say how a version fails the newest rows, each asked alone of serving, or None if it does not.

    Without rows it is asked those that were recorded when it was sealed.
    """
    features, _ = predictions.newest_features(site.store, model, ROWS)
    rows = [msgspec.json.decode(text) for text in features]
    if not rows:
        manifest = site.ledger.version(model, version).manifest
        rows = site.artifacts.manifest(manifest or "").probe_rows
    failed, first = 0, ""
    for row in rows:
        try:
            site.serving.probe(model, version, [row])
        except CdmlError as e:
            failed, first = failed + 1, first or e.message
    if failed <= site.model(model).rollout.error_limit * len(rows):
        return None
    return f"{version} fails {failed} of the newest {len(rows)} rows too ({first})"
