"""The verbs that only look: each asks the engine once and writes the answer."""

import time
from typing import Any

import msgspec

from cdml_tui.client import ConsoleError, EngineLost
from cdml_tui.output import cell, json_line, line, table, talk
from cdml_tui.panes.figures import age
from cdml_tui.state import moment
from cdml_tui.verbs import judging, tracing
from cdml_tui.verbs.locking import lock_text, stopped_text
from cdml_tui.verbs.session import Session, usage
from engine import wire
from engine.wire import EventRow, JobRow, QualityRow, VersionRow

_VERSION_KEYS = (
    *("version", "fitness", "roles", "share_pct"),
    *("verdict", "trained_from", "trained_to", "generation"),
)
_GIVE_UP_S = 60.0
SHOWN = 200


def status(session: Session) -> int:
    """Say how engine, serving and every model are."""
    answer = session.client.status()
    if session.json:
        json_line(answer)
        return 0
    line(f"engine {answer.engine}, serving {answer.serving}")
    if answer.lacking:
        line(f"the disk is full: {answer.lacking}; cdml doctor names what is large")
    if answer.stands_in:
        line(answer.stands_in)
    rows = [
        [
            m.model,
            m.champion,
            m.generation,
            [f"{lock.kind} of all" if lock.everywhere else lock.kind for lock in m.locks],
            m.rollout or None,
            f"ready, to {m.rollback.to}" if m.rollback.ready else "not ready",
        ]
        for m in answer.models
    ]
    table(["MODEL", "CHAMPION", "GENERATION", "LOCKS", "ROLLOUT", "ROLLBACK"], rows)
    for target, why in answer.untold.items():
        line(f"{target} is not told what happens: {why}; look with cdml notify")
    for m in answer.models:
        if m.incident is not None:
            line(f"{m.model}: incident {m.incident} is open; look with cdml incident {m.incident}")
        if m.alerts:
            fire = "alert fires" if m.alerts == 1 else "alerts fire"
            line(f"{m.model}: {m.alerts} {fire}; look with cdml alerts {m.model}")
        if not m.rollback.ready:
            line(f"{m.model}: a rollback is not ready: {m.rollback.why}")
        for lock in m.locks:
            old = age(lock.since, moment(answer.wall))
            line(f"{m.model}: {lock_text(lock)}, {old} old: {lock.reason}{stopped_text(lock)}")
    return 0


def versions(session: Session) -> int:
    """List the versions of a model."""
    rows = _rows(session, session.model(), session.args.at)
    if session.json:
        json_line([{key: getattr(row, key) for key in _VERSION_KEYS} for row in rows])
        return 0
    table(
        ["VERSION", "STATE", "ROLES", "SHARE %", "VERDICT", "METRIC", "N", "TRAINED ON"],
        [
            [
                *(v.version, v.state or v.fitness, v.roles, v.share_pct, v.verdict, v.metric),
                *(v.metric_n if v.metric is not None else None, _days(v)),
            ]
            for v in rows
        ],
    )
    return 0


def _rows(session: Session, model: str, at: str | None) -> list[wire.VersionRow]:
    if at is None:
        return session.client.versions(model)
    models = session.client.state(at).models
    return next((m.versions for m in models if m.model == model), [])


def show(session: Session) -> int:
    """Show one version: lineage and gate report."""
    if not 1 <= len(session.args.words) <= 2:
        raise usage("write cdml show [MODEL] VERSION.", "version")
    model, words = session.model_and(session.args.words, lambda words: len(words) == 1)
    if not words:
        raise usage(f"which version of {model}? Write cdml show {model} VERSION.", "version")
    page = session.client.show(model, words[0])
    if session.json:
        json_line(page)
        return 0
    row = page.row
    line(f"{model} {row.version}: {row.state or row.fitness}, roles {cell(row.roles)}")
    line(f"trained on {_interval(row)}" + (", safe mode" if row.safe_mode else ""))
    if page.report is None:
        line("not judged yet")
    else:
        judging.report(page.report)
    line("manifest (--json has all of it)")
    for key, value in page.manifest.items():
        line(f"  {key}: {_short(key, value)}")
    if page.cause:
        line(f"trained because {page.cause}")
    for batch, text in page.queries.items():
        tracing.query(batch, text)
    return 0


def _short(key: str, value: Any) -> str:
    """Write a manifest's value in a line: long lists as what they hold, or how many."""
    if key == "features":
        return ", ".join(f["name"] for f in value)
    if key == "transform":
        return _transform(value)
    if key == "origin":
        return f"{value['search']['chosen']}; cdml lineage has more" if value else "not recorded"
    if isinstance(value, list) and len(msgspec.json.encode(value)) > SHOWN:
        return f"{len(value)}"
    return str(value) if isinstance(value, str | float) else msgspec.json.encode(value).decode()


def _transform(sealed: dict[str, Any] | None) -> str:
    if sealed is None:
        return "none"
    derived = ", ".join(f["name"] for f in sealed["derived"])
    of = sealed["source"]
    return f"{of['name']} {of['digest']}; keeps {', '.join(sealed['kept'])}; derives {derived}"


def jobs(session: Session) -> int:
    """List the runs, newest first."""
    rows = session.client.jobs(session.args.limit)
    if session.json:
        json_line(rows)
        return 0
    table(
        ["ID", "MODEL", "JOB", "STATE", "CAUSE", "QUEUED", "ENDED", "NOTE"],
        [
            [j.id, j.model, j.job, j.state, j.cause, j.queued_at, j.ended_at, j.error or j.note]
            for j in rows
        ],
    )
    return 0


def job(session: Session) -> int:
    """Show one run; with --log also what its process wrote."""
    found = session.client.job(session.args.id)
    log = _log(session, found.id) if session.args.log else None
    if session.json:
        json_line(found if log is None else {"job": found, "log": log})
        return 0
    job_text(found)
    if log is not None:
        line(log or "its process wrote nothing")
    return 0


def _log(session: Session, run: str) -> str:
    path = session.client.socket.parent.parent / "runs" / run / "log.txt"
    try:
        return path.read_text(encoding="utf-8", errors="replace").rstrip()
    except FileNotFoundError:
        return ""
    except OSError as fault:
        raise ConsoleError(
            "log_not_readable",
            f'Reading the log "{path}": {fault.strerror}. Ask somebody who may read it.',
            "log",
            422,
        ) from None


def job_text(found: JobRow) -> None:
    """Write one run, a line for each thing known of it."""
    for key in found.__struct_fields__:
        value = getattr(found, key)
        if value is not None and value != "":
            line(f"{key.replace('_', ' ')}: {cell(value)}")


def quality(session: Session) -> int:
    """List the checks of rows and labels, what is wrong first and with the next step."""
    answer = session.client.quality(session.model())
    if session.json:
        json_line(answer)
        return 0
    wrong = [r for r in answer.rows if r.wrong]
    said = f"{len(wrong)} wrong" if wrong else "nothing wrong"
    line(f"{answer.model} {answer.version or ''}: {answer.missing or said}")
    if answer.rows:
        table(
            ["CHECK", "VALUE", "EXPECTED", "LIMIT", "N", "SAYS"],
            [
                [
                    *(("! " if r.wrong else "") + r.name, _measure(r, r.value)),
                    *(_measure(r, r.expected), _limit(r), r.n),
                    r.missing or (f"{r.says}: {r.found}" if r.found else r.says),
                ]
                for r in answer.rows
            ],
        )
    for r in wrong:
        line(f"{r.name}: {r.next}")
    return 0


def _measure(row: QualityRow, value: float | None) -> str | None:
    if value is None:
        return None
    return f"{value:.2%}" if row.unit == "share" else f"{value:.0f} s"


def _limit(row: QualityRow) -> str | None:
    shown = _measure(row, row.limit)
    return shown and f"{'>=' if row.at_least else '<='} {shown}"


def clients(session: Session) -> int:
    """List who asked lately, suspects first."""
    answer = session.client.clients(session.model())
    if session.json:
        json_line(answer)
        return 0
    if answer.missing:
        line(f"{answer.model}: {answer.missing}")
    table(
        [
            "CLIENT",
            "ROWS",
            "HOUR",
            "USUAL",
            "DISTINCT",
            "NEAR",
            "CROWDED",
            "FLIPS",
            "UNRELATED",
            "OUT OF RANGE",
            "FROM",
            "TO",
            "SIGNS",
            "SUSPECTED SINCE",
        ],
        [
            [
                *(c.client, c.total, c.last_hour, c.usual_hour, c.distinct, c.near_rate),
                *(c.crowded_rate, c.flip_rate, c.independence, c.out_of_range, c.since, c.until),
                *(c.signs, c.suspected_since),
            ]
            for c in answer.clients
        ],
    )
    return 0


def events(session: Session) -> int:
    """List the latest events; with --follow go on as they come, one a line."""
    rows = session.client.recent_events(session.args.limit)
    if session.json and not session.args.follow:
        json_line(rows)
        return 0
    rows = sorted(rows, key=lambda row: row.id)
    for row in rows:
        _event(session, row)
    return _follow(session, rows[-1].id if rows else None) if session.args.follow else 0


def _follow(session: Session, last: int | None) -> int:
    silent_since: float | None = None
    while True:
        try:
            for item in session.client.events(last):
                silent_since = None
                if item.event is not None:
                    last = item.event.id
                    _event(session, item.event)
        except EngineLost as lost:
            now = time.monotonic()
            if silent_since is None:
                silent_since = now
                talk(f"{lost.message} Trying again for {_GIVE_UP_S:.0f} s.")
            elif now - silent_since > _GIVE_UP_S:
                raise
            time.sleep(0.5)


def _event(session: Session, row: EventRow) -> None:
    if session.json:
        json_line(row)
    else:
        line(f"{cell(row.time)} {row.level:<4} {row.kind:<9} {row.model or '-'}  {row.text}")


def _days(row: VersionRow) -> str:
    return f"{(row.trained_from or '?')[:10]} .. {(row.trained_to or '?')[:10]}"


def _interval(row: VersionRow) -> str:
    return f"{row.trained_from or '?'} .. {row.trained_to or '?'}"
