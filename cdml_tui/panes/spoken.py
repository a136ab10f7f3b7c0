"""What the console shows, as sentences: for screen readers, logs, cron and the login banner.

Pure: a state, or two that follow each other, to what is to be said of them.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from cdml_tui.panes.figures import age, figure, metric_word
from cdml_tui.panes.header import RUNNING, calm, situation
from cdml_tui.panes.line import inert, text_of
from cdml_tui.state import Screen, decision_now, safe_mode, snapshot_came
from engine import wire

Level = Literal["INFO", "WARN", "CRIT", "ACT"]
BANNER_LINES = 4


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that is said, and when it was so."""

    time: str
    level: Level
    kind: str
    model: str | None
    text: str


def sentence(said: Said) -> str:
    """Write it as one line; an ordinary one does not name its level."""
    level = "" if said.level == "INFO" else f"{said.level} "
    about = f"{said.model}: " if said.model else ""
    return f"{said.time[:10]} {said.time[11:19]}Z {level}{about}{said.text}"


def of_event(row: wire.EventRow) -> Said:
    """Say a fact that the engine told."""
    return Said(row.time, row.level, row.kind, row.model, row.text)


def stands_beyond(state: wire.State) -> bool:
    """Say whether something asks for a person: an open incident, a firing alert, no serving."""
    return not state.serving.up or any(map(_beyond, state.models))


def _beyond(model: wire.ModelState) -> bool:
    firing = any(a.state == "firing" for a in model.alerts)
    return model.incident is not None or model.breach is not None or firing


# ---------------------------------------------------------------- all of it, once


def summary(state: wire.State) -> list[Said]:
    """Say how everything is, a sentence each for the engine and for every model."""
    up = "up" if state.serving.up else "DOWN: nobody gets predictions"
    running = sum(job.state in RUNNING for job in state.jobs)
    whole = f"{inert(state.workspace)}: engine {state.engine.state}, serving {up}, jobs {running}"
    level: Level = "INFO" if state.serving.up else "CRIT"
    said = [Said(_now(state), level, "state", None, whole)]
    for target, why in state.untold.items():
        text = f"{inert(target)} is not told what happens: {inert(why)}"
        said.append(Said(_now(state), "WARN", "notify", None, text))
    if not state.models:
        said.append(Said(_now(state), "INFO", "state", None, "no model yet; add one to cdml.toml"))
    return said + [_of_model(state, model) for model in state.models]


def _of_model(state: wire.State, model: wire.ModelState) -> Said:
    found = text_of(situation(_screen(state, model))).strip().removeprefix("!")
    serves = f"{inert(model.champion)} serves{_measured(model)}; " if model.champion else ""
    back = f"; {_way_back(model)}" if model.champion else ""
    level: Level = "CRIT" if model.breach else "WARN" if _beyond(model) else "INFO"
    return Said(_now(state), level, "model", model.model, f"{serves}{found}{back}")


def _measured(model: wire.ModelState) -> str:
    row = next((v for v in model.versions if v.version == model.champion), None)
    if row is None or row.metric is None:
        return ""
    return f", {metric_word(model.metric)} {figure(row.metric)} {row.metric_kind} n {row.metric_n}"


def _way_back(model: wire.ModelState) -> str:
    plan = model.rollback
    if plan.to is None:
        return "no way back yet"
    what = "safe mode" if safe_mode(model, plan.to) else inert(plan.to)
    ready = "ready" if plan.ready else f"not ready: {inert(plan.why)}"
    return f"cdml rollback {inert(model.model)} goes to {what}, {ready}"


# ---------------------------------------------------------------- what is new


def changes(before: wire.State, after: wire.State) -> list[Said]:
    """Say what became different and no event of the engine tells."""
    at = _now(after)
    said = [Said(at, "INFO", "onlooker", None, text) for text in _coming_and_going(before, after)]
    if before.serving.up != after.serving.up:
        up = after.serving.up
        text = "serving is up again" if up else "SERVING IS DOWN: nobody gets predictions"
        said.append(Said(at, "INFO" if up else "CRIT", "serving", None, text))
    known = {model.model: model for model in before.models}
    for model in after.models:
        if model.model in known:
            said += _looks(at, known[model.model], model)
        else:
            said.append(Said(at, "INFO", "model", model.model, "is a model of this workspace now"))
    return said + list(_runs(at, before.jobs, after.jobs))


def _looks(at: str, before: wire.ModelState, after: wire.ModelState) -> Iterator[Said]:
    """Say every watched number that was measured again."""
    known = {s.name: (s.times[-1:], s.last) for s in before.signals}
    for s in after.signals:
        if s.last is None or known.get(s.name) == (s.times[-1:], s.last):
            continue
        limit = ""
        if s.limit is not None:
            limit = f", {'OVER' if s.breached else 'within'} its limit {figure(s.limit)}"
        unit = f" {inert(s.unit)}" if s.unit else ""
        text = f"{metric_word(inert(s.name))} {figure(s.last)}{unit}, {s.kind}, n {s.n}{limit}"
        yield Said(at, "WARN" if s.breached else "INFO", "signal", after.model, text)


def _runs(at: str, before: list[wire.JobRow], after: list[wire.JobRow]) -> Iterator[Said]:
    known = {job.id: job.state for job in before}
    for job in reversed(after):
        if known.get(job.id) == job.state:
            continue
        why = f", {inert(job.cause)}" if job.id not in known else ""
        found = " ".join(inert(part) for part in (job.version, job.verdict) if part)
        text = f"{job.job} {job.id} is {job.state}{why}{f': {found}' if found else ''}"
        yield Said(at, "WARN" if job.state == "failed" else "INFO", "job", job.model, text)


def _coming_and_going(before: wire.State, after: wire.State) -> Iterator[str]:
    was, now = (Counter((o.user, o.role) for o in s.onlookers) for s in (before, after))
    for user, role in now - was:
        yield f"{inert(user)} ({role}) looks too"
    for user, role in was - now:
        yield f"{inert(user)} ({role}) looks no longer"


# ---------------------------------------------------------------- the login banner


def banner(state: wire.State) -> list[str]:
    """Say in a few lines what is open, else who serves and how that does."""
    beyond = [m for m in state.models if _beyond(m)]
    lines = [_open_line(state, m) for m in beyond] or [_fine_line(state, m) for m in state.models]
    if not state.models:
        lines = [f"cdml {inert(state.workspace)}: no model yet"]
    if not state.serving.up:
        lines.insert(0, f"cdml {inert(state.workspace)}: serving is down; look with cdml status")
    if len(lines) > BANNER_LINES:
        lines[BANNER_LINES - 1 :] = [f"and {len(lines) - BANNER_LINES + 1} more; cdml status"]
    return lines


def _open_line(state: wire.State, model: wire.ModelState) -> str:
    now = decision_now(_screen(state, model))
    number = f"INC-{model.incident} " if model.incident is not None else ""
    worst = next(iter(model.alerts), None)
    what = f"{worst.kind.upper()} {inert(worst.name)}" if worst else "OPEN"
    since = model.breach_since or model.incident_opened
    plan = model.rollback
    key = f"R = {inert(plan.to)}" if plan.to and plan.ready else "R is not ready"
    name = inert(model.model)
    return (
        f"{number}{name} {inert(model.champion or '--')} {what} {age(since, now)}, "
        f"{key} (cdml, or cdml rollback {name})"
    )


def _fine_line(state: wire.State, model: wire.ModelState) -> str:
    serves = f" {inert(model.champion)}" if model.champion else ""
    return (
        f"cdml {inert(model.model)}{serves}{_measured(model)}; {calm(_screen(state, model), model)}"
    )


def _screen(state: wire.State, model: wire.ModelState) -> Screen:
    """Return a screen that has just shown this model."""
    return snapshot_came(Screen(model=model.model), state, 0.0)


def _now(state: wire.State) -> str:
    """Return the operator's time; in a replay that of its decisions."""
    return state.engine.now if state.engine.simulated else state.engine.wall
