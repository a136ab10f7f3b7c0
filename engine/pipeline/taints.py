"""Taints: set, lifted, listed, and spread along lineage to every version trained on them.

What is tainted is neither trained on, nor promoted, nor gone back to, until a person lifts it.
"""

from contextlib import suppress
from datetime import UTC, timedelta

import msgspec

from engine.artifacts import Manifest
from engine.clock import iso, parse_end, parse_time
from engine.domain import roles as moves
from engine.domain.lifecycle import TABLE, Event, Fitness
from engine.domain.taints import Lineage, Mark, Span, reaches
from engine.errors import CorruptError, InvalidError, RefusedError, UnknownError
from engine.ledger.change import Actor, Change
from engine.ledger.ledger import Version
from engine.pipeline.site import Control, Site
from engine.store import batches as delivered
from engine.wire import Taint, TaintAnswer, TaintRequest

SHORT = 8
FEWEST = 4


def taint(site: Site, model: str, actor: Actor, asked: TaintRequest) -> TaintAnswer:
    """Taint rows, a batch or a version, or lift a taint; say which versions that reaches."""
    site.model(model)
    if (before := site.ledger.answered(asked.idempotency_key)) is not None:
        return msgspec.convert(before, type=TaintAnswer)
    if asked.lift is not None:
        return _lift(site, model, actor, asked)
    return _add(site, model, actor, asked, _wanted(site, model, actor, asked))


def listed(site: Control, model: str) -> list[Taint]:
    """Return every taint of a model, the lifted ones too, with the versions that each reaches."""
    site.model(model)
    known = lineages(site, model)
    return [
        msgspec.structs.replace(t, touches=[n.version for n in known if reaches(_mark(t), n)])
        for t in site.ledger.taints.all(model)
    ]


def of_version(site: Control, model: str, version: str) -> Taint | None:
    """Return the taint that stands on a version, its own or by lineage, or None."""
    standing = site.ledger.taints.standing(model)
    found = site.ledger.version(model, version)
    if not standing or not found.manifest:
        return None
    return reaching(standing, lineage_of(version, site.artifacts.manifest(found.manifest)))


def batches(site: Control, model: str) -> set[str]:
    """Return the batches that nothing may be trained on."""
    return {t.batch for t in site.ledger.taints.standing(model) if t.batch is not None}


def spans(site: Control, model: str) -> list[tuple[str, str]]:
    """Return the intervals whose rows nothing may be trained on, as from and to."""
    found = site.ledger.taints.standing(model)
    rows = [t for t in found if t.batch is None and t.version is None]
    return [(t.from_, t.to) for t in rows if t.from_ and t.to]


def check(site: Control, found: Version, verb: str) -> None:
    """Raise RefusedError where a version is tainted; `verb` is what would be done instead."""
    by = of_version(site, found.model, found.version)
    if by is None and found.fitness is not Fitness.TAINTED:
        return
    instead = _instead(site, found.model, found.version)
    cause = f" by {said_of(by)}" if by else ""
    how = f"lift the taint with cdml taint {found.model} --lift {by.number if by else ''}".rstrip()
    raise RefusedError(
        f"Refused: {found.version} is tainted{cause}. {verb} {instead}, or {how}.",
        code="tainted",
    )


def landed(site: Control, change: Change, version: str, manifest: Manifest) -> Taint | None:
    """Taint a version as it is registered, where what it was trained on was tainted meanwhile."""
    by = reaching(site.ledger.taints.standing(manifest.model), lineage_of(version, manifest))
    if by is not None:
        change.happened(version, Event.TAINTED)
        change.detail["taint"] = msgspec.to_builtins(by)
    return by


def mark_left(
    site: Control,
    change: Change,
    version: str,
    actor: Actor,
    reason: str,
    suspected: tuple[str, str] | None,
) -> None:
    """Taint the version that a rollback leaves as attacked, inside the rollback's own change.

    The suspected interval is kept with it; its rows are tainted only when a person says so.
    """
    if change.fitness_of(version) is not Fitness.TAINTED:
        change.happened(version, Event.TAINTED)
    made = Taint(
        number=0,
        model=change.model or "",
        owner=str(actor),
        reason=reason,
        since=change.now,
        version=version,
        from_=suspected[0] if suspected else None,
        to=suspected[1] if suspected else None,
    )
    number = site.ledger.taints.add(made)
    change.detail["taint"] = msgspec.to_builtins(msgspec.structs.replace(made, number=number))


def said_of(taint: Taint) -> str:
    """Say what is tainted, as it stands after "is tainted by"."""
    if taint.version is not None:
        return f"{taint.owner} ({taint.reason})"
    rows = _days(taint)
    if taint.batch is not None:
        return f"batch {taint.batch[:SHORT]}" + (f" (rows of {rows})" if rows else "")
    return f"rows of {rows}"


# ---------------------------------------------------------------- setting and lifting


def _wanted(site: Site, model: str, actor: Actor, asked: TaintRequest) -> Taint:
    """Return the taint that is asked for; InvalidError unless exactly one thing is named."""
    named = [asked.batch is not None, asked.version is not None, bool(asked.from_ or asked.to)]
    if sum(named) != 1 or bool(asked.from_) != bool(asked.to):
        found = (
            "a beginning and an end belong together" if sum(named) == 1 else "it takes one thing"
        )
        raise InvalidError(
            f"Tainting something of {model}: {found}. Nothing was changed. Name what is not "
            "trusted with --from T --to T, --batch SHA or --version V.",
            code="usage",
        )
    made = Taint(
        number=0,
        model=model,
        owner=str(actor),
        reason=asked.reason or "by hand",
        since=iso(site.clock.wall()),
    )
    if asked.version is not None:
        version = site.ledger.version(model, asked.version).version
        return msgspec.structs.replace(made, version=version)
    if asked.batch is not None:
        batch = batch_named(site, model, asked.batch)
        until = batch.time_to + timedelta(microseconds=1) if batch.time_to else None
        since = iso(batch.time_from) if batch.time_from else None
        to = iso(until) if until else None
        return msgspec.structs.replace(made, batch=batch.batch, from_=since, to=to)
    since_at, until_at = parse_time(asked.from_ or ""), parse_end(asked.to or "")
    if since_at >= until_at:
        raise InvalidError(
            f"Tainting rows of {model}: {asked.from_} is not before {asked.to}. Nothing was "
            "changed. Write the earlier time first.",
            code="bad_time",
            field="from",
        )
    return msgspec.structs.replace(made, from_=iso(since_at), to=iso(until_at))


def batch_named(site: Site, model: str, name: str) -> delivered.Batch:
    """Return the accepted batch whose digest begins like this; UnknownError where none does."""
    known = [b for b in delivered.known(site.store, model) if b.verdict.startswith("accepted")]
    found = [b for b in known if b.batch.startswith(name.lower())]
    if len(name) >= FEWEST and len(found) == 1:
        return found[0]
    many = f"{len(found)} of {model} begin so" if found else f"{model} has none"
    newest = ", ".join(f"{b.batch[:SHORT]} ({b.file})" for b in known[-3:]) or "none"
    raise UnknownError(
        f'Looking for the batch "{name[:64]}": {many}. Write at least {FEWEST} characters that '
        f"begin one digest only. The newest: {newest}.",
        code="unknown_batch",
        field="batch",
    )


def _add(site: Site, model: str, actor: Actor, asked: TaintRequest, made: Taint) -> TaintAnswer:
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, "taint", model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        same = next(
            (t for t in site.ledger.taints.standing(model) if _mark(t) == _mark(made)), None
        )
        if same is not None:
            change.drop()
            return _unchanged(site, model, f"tainted already, as taint {same.number}")
        made = msgspec.structs.replace(made, number=site.ledger.taints.add(made))
        reached = [n.version for n in lineages(site, model) if reaches(_mark(made), n)]
        fresh = [v for v in reached if (change.fitness_of(v), Event.TAINTED) in TABLE]
        for version in fresh:
            change.happened(version, Event.TAINTED)
        roles = moves.without(change.roles, fresh)
        if moved := roles != change.roles:
            change.set_roles(roles)
        change.detail["taint"] = msgspec.to_builtins(made)
        said = f"taint {made.number}: {_what(made)}; it reaches {', '.join(fresh) or 'no version'}"
        answer = _answer(site, model, change, fresh, said)
    site.tell("ACT", "taint", model, f"{actor}: {said}")
    champion = site.ledger.roles(model).champion
    if champion in fresh:
        text = f"{champion} serves and is tainted by {said_of(made)}: cdml rollback {model}"
        site.tell("CRIT", "taint", model, text)
    if moved:
        site.confirm(model)
    return answer


def _lift(site: Site, model: str, actor: Actor, asked: TaintRequest) -> TaintAnswer:
    now, wall = site.clock.now(), site.clock.wall()
    with site.ledger.change(
        actor, "lift", model, now=now, wall=wall, reason=asked.reason, key=asked.idempotency_key
    ) as change:
        found = _to_lift(site, model, asked.lift or 0)
        if found.lifted is not None:
            change.drop()
            return _unchanged(site, model, f"taint {found.number} was lifted already")
        site.ledger.taints.lift(found.number, iso(wall))
        left = site.ledger.taints.standing(model)
        clean = [
            n.version
            for n in lineages(site, model)
            if change.fitness_of(n.version) is Fitness.TAINTED and reaching(left, n) is None
        ]
        for version in clean:
            change.happened(version, Event.TAINT_LIFTED)
        change.detail["taint"] = msgspec.to_builtins(found)
        again = ", ".join(clean) or "no version"
        said = f"lifted taint {found.number}, {_what(found)}; to pass the gate anew: {again}"
        answer = _answer(site, model, change, clean, said)
    site.tell("ACT", "taint", model, f"{actor}: {said}")
    return answer


def _to_lift(site: Control, model: str, number: int) -> Taint:
    standing = site.ledger.taints.standing(model)
    known = site.ledger.taints.all(model) if number else standing
    found = [t for t in known if number in (0, t.number)]
    if len(found) == 1:
        return found[0]
    which = ", ".join(f"{t.number} ({_what(t)})" for t in standing) or "none"
    asked = f"taint {number}" if number else "the taint"
    stands = "there is none" if number or not standing else "there are several: name its number"
    raise UnknownError(
        f"Lifting {asked} of {model}: {stands}. Nothing was changed. Standing: {which}.",
        code="unknown_taint",
        field="lift",
    )


def _answer(
    site: Control, model: str, change: Change, versions: list[str], said: str
) -> TaintAnswer:
    found, generation = listed(site, model), change.roles.generation
    made = TaintAnswer(model, found, versions, generation, change.seq, True, said)
    change.answer = made
    return made


def _unchanged(site: Control, model: str, said: str) -> TaintAnswer:
    last = site.ledger.last_change(model)
    generation = site.ledger.roles(model).generation
    seq = last.seq if last else 0
    return TaintAnswer(model, listed(site, model), [], generation, seq, False, said)


# ---------------------------------------------------------------- lineage and words


def lineages(site: Control, model: str) -> list[Lineage]:
    """Return what each version of a model was trained on, oldest first."""
    found = []
    for version in site.ledger.versions(model):
        # Whose manifest is damaged cannot be served, and must not be in the way of the others.
        with suppress(CorruptError):
            if version.manifest:
                manifest = site.artifacts.manifest(version.manifest)
                found.append(lineage_of(version.version, manifest))
    return found


def lineage_of(version: str, manifest: Manifest) -> Lineage:
    """Return what a version was trained on, by its manifest."""
    without = tuple(Span(parse_time(a), parse_time(b)) for a, b in manifest.without)
    first, last = parse_time(manifest.trained_from), parse_time(manifest.trained_to)
    return Lineage(version, frozenset(manifest.batches), first, last, without)


def _mark(taint: Taint) -> Mark:
    if taint.version is not None:  # an interval beside it is what was suspected then
        return Mark(taint.version)
    span = Span(parse_time(taint.from_), parse_time(taint.to)) if taint.from_ and taint.to else None
    return Mark(taint.version, taint.batch, span)


def reaching(standing: list[Taint], lineage: Lineage) -> Taint | None:
    """Return the first of some taints that reaches a version, or None."""
    return next((t for t in standing if reaches(_mark(t), lineage)), None)


def _instead(site: Control, model: str, version: str) -> str:
    """Name a version that evidence speaks for, else any other."""
    champion = site.ledger.roles(model).champion
    good = [
        v.version
        for v in site.ledger.versions(model)
        if v.fitness in (Fitness.BLESSED, Fitness.PROVEN) and v.version not in (champion, version)
    ]
    return good[-1] if good else "another version"


def _what(taint: Taint) -> str:
    if taint.version is not None:
        return f"{taint.version} ({taint.reason})"
    return f"{said_of(taint)} ({taint.reason})"


def _days(taint: Taint) -> str:
    """Write an interval as days where it is whole days or a batch's, else to the minute."""
    if not taint.from_ or not taint.to:
        return ""
    since, until = parse_time(taint.from_), parse_time(taint.to)
    last = (until - timedelta(microseconds=1)).astimezone(UTC)
    midnight = all((m.hour, m.minute, m.second, m.microsecond) == (0,) * 4 for m in (since, until))
    if not midnight and taint.batch is None:
        return f"{since:%Y-%m-%dT%H:%M}..{until:%Y-%m-%dT%H:%M}Z"
    if since.date() == last.date():
        return f"{since:%Y-%m-%d}"
    same = (since.year, since.month) == (last.year, last.month)
    return f"{since:%Y-%m-%d}..{last:%d}" if same else f"{since:%Y-%m-%d}..{last:%Y-%m-%d}"
