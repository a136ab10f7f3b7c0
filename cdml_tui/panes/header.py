"""The first two lines: who and what this is, and what is wrong or when it is looked at next."""

from collections import Counter
from datetime import datetime

from cdml_tui.panes.figures import NONE, age, clock, count, figure, span_of
from cdml_tui.panes.first_steps import next_step
from cdml_tui.panes.line import (
    EMPTY,
    Line,
    Span,
    ends,
    fit,
    inert,
    line,
    text_of,
    width_of,
    wrapped,
)
from cdml_tui.reach import is_viewer, key_of
from cdml_tui.state import Screen, age_s, decision_now, link_of, model_of, moment, safe_mode, wall
from engine import wire

RUNNING = ("running", "queued")
WITH_NAMES = 120
NAMES = 4
MOST_UNTOLD = 24


def header(screen: Screen, width: int) -> Line:
    """Say where this is, how old the numbers are, who looks, and what runs."""
    right = _time(screen)
    state = screen.snapshot
    name = inert(state.workspace) if state else ""
    parts: list[Line] = [line((f" cdml {name}", "bold")), _feed(screen)]
    if screen.slow:
        parts.append(line(("slow link", "warn")))
    if screen.paused is not None:
        parts.append(line((f"PAUSED {span_of(screen.at - screen.paused)}", "alarm")))
    if is_viewer(screen):
        parts.append(line(("viewer: looks only", "warn")))
    if state is not None:
        parts += _processes(state, width)
    room = width - width_of(text_of(right)) - 1
    kept: Line = EMPTY
    for part in parts:
        if width_of(text_of((*kept, *part))) + 2 <= room:
            kept = (*kept, *part, Span("  "))
    return ends(kept, right, width)


def _time(screen: Screen) -> Line:
    """Return the time: the engine's decision time in a replay, the operator's else."""
    if screen.snapshot is None:
        return EMPTY
    if screen.past is not None:
        asked = "" if screen.snapshot.past else " asked for"
        return line((f"PAST {screen.past.at[:10]} {screen.past.at[11:16]}Z{asked}", "alarm"), " ")
    if screen.snapshot.engine.simulated:
        now = decision_now(screen)
        return line(("replay ", "warn"), f"{now:%Y-%m-%d %H:%MZ} ")
    now = wall(screen)
    return line(f"{now:%H:%MZ} ")


def _feed(screen: Screen) -> Line:
    link, old = link_of(screen), span_of(age_s(screen))
    match link:
        case "live":
            return line(("feed live", "good"))
        case "stale":
            return line((f"feed STALE {old}", "alarm"))
        case "lost" if screen.barred:
            return line(("no entry", "alarm"))
        case "lost":
            return line((f"engine LOST {old}" if screen.snapshot else "no engine", "alarm"))
    return line("connecting")


def _processes(state: wire.State, width: int) -> list[Line]:
    """Return the parts in the order in which they are worth their room."""
    if state.past:
        return [line(f"{inert(state.you)} ({state.role})")]
    parts: list[Line] = []
    serving = state.serving
    if not serving.up:
        parts.append(line(("serving DOWN", "alarm")))
    if serving.stands_in:
        parts.append(line(("champion NOT LOADED", "alarm")))
    if state.engine.lacking:
        parts.append(line(("disk FULL", "alarm")))
    if state.engine.state != "ready":
        parts.append(line((f"engine {state.engine.state}", "alarm")))
    if state.untold:
        names = ", ".join(inert(name) for name in state.untold)
        parts.append(line((f"not told: {names}"[:MOST_UNTOLD], "alarm")))
    if serving.dropped:
        parts.append(line((f"log dropped {count(serving.dropped)}", "alarm")))
    running = sum(job.state == "running" for job in state.jobs)
    failed = sum(job.error is not None and job.state != "refused" for job in state.jobs)
    parts.append(line(f"jobs {running} run ", (f"{failed} failed", "warn" if failed else "")))
    parts.append(line(f"{inert(state.you)} ({state.role})"))
    if state.consoles > 1:
        parts.append(line(_onlookers(state, width)))
    parts.append(line(f"up {age(state.engine.started, moment(state.engine.wall))}"))
    if serving.up:
        bad = f" {count(serving.failed)} failed" if serving.failed else ""
        parts.append(line(f"serving {count(serving.requests)} req", (bad, "warn")))
        if serving.rps is not None:
            parts.append(line(f"{figure(serving.rps)} req/s p95 {figure(serving.p95_ms)} ms"))
        if serving.rss_mib is not None:
            parts.append(line(f"rss {serving.rss_mib:.0f} MiB"))
    return parts


def _onlookers(state: wire.State, width: int) -> str:
    """Say who looks besides; `ro` may only look."""
    if width < WITH_NAMES:
        return f"{state.consoles} consoles"
    names = [f"{inert(o.user)}{' ro' if o.role == 'viewer' else ''}" for o in state.onlookers]
    shown = [f"{name} x{n}" if n > 1 else name for name, n in Counter(names).items()]
    more = f" and {len(shown) - NAMES} more" if len(shown) > NAMES else ""
    return f"{state.consoles} consoles: {', '.join(shown[:NAMES])}{more}"


# ---------------------------------------------------------------- the second line


def what_r_does(screen: Screen) -> tuple[str, bool]:
    """Say what R would do now, and whether it is ready."""
    model = model_of(screen)
    if screen.past is not None:
        return "Esc = the present", True
    if model is None:
        return "", False
    plan = model.rollback
    key = key_of(screen, "rollback")
    if is_viewer(screen):
        return "", False
    if plan.to is None:
        return f"{key}: no way back yet", False
    state = "READY" if plan.ready else "NOT READY"
    what = "go to SAFE MODE" if safe_mode(model, plan.to) else f"roll back to {inert(plan.to)}"
    return f"{key} = {what} ({state})", plan.ready


def incident(screen: Screen, width: int) -> Line:
    """Say in one line what is wrong, else when it is looked at next; and what R would do."""
    parts = situation(screen)
    text, ready = what_r_does(screen)
    right = line((text, "key" if ready else "dim"), " ") if text else EMPTY
    room = width - width_of(text_of(right)) - 1
    if room < width // 3:
        return fit(parts, width)
    return (*fit(parts, room), Span(" "), *right)


def incident_wrapped(screen: Screen, width: int, height: int) -> list[Line]:
    """Say the same on a narrow screen in at most `height` lines, of which R keeps its own."""
    parts = situation(screen)
    style = parts[0].style if parts else ""
    lines = [line((t, style)) for t in wrapped(text_of(parts), width)]
    text, ready = what_r_does(screen)
    room = max(0, height - 1) if text else height
    if len(lines) > room > 0:
        lines[room - 1] = fit((*lines[room - 1], Span(" …", "dim")), width)
    last = [line((text, "key" if ready else "dim"))] if text else []
    return [*lines[:room], *last]


def situation(screen: Screen) -> Line:
    """Say what is wrong, or that nothing is."""
    state, model = screen.snapshot, model_of(screen)
    old = span_of(age_s(screen))
    if screen.barred:
        seen = f"; you see what was known {old} ago" if state else ""
        return line((f"!NO ENTRY: the engine answers, but not to you{seen}; trying again", "bad"))
    if screen.lost and state is None:
        return line(("!NO ENGINE answers on this workspace; trying again", "bad"))
    if screen.lost:
        return line((f"!NO ENGINE for {old}; you see the last known state; trying again", "bad"))
    if state is None:
        return line(" waiting for the engine's first answer")
    if link_of(screen) == "stale":
        return line((f"!STALE: nothing heard for {old}", "bad"))
    if model is None and state.past:
        return line(" no model was there yet")
    if model is None:
        return line(" no model in this workspace; add one to cdml.toml, then cdml reload")
    if model.breach:
        since = age(model.breach_since, decision_now(screen)) if model.breach_since else ""
        number = f"INC {model.incident}  " if model.incident is not None else ""
        return line((f"!BREACH {since}  {number}{inert(model.breach)}", "bad"))
    if not state.past and (still := _at_a_standstill(state)):
        return line((still, "bad"))
    waits = next((v.version for v in model.versions if "waits" in v.state), None)
    if waits is not None:
        asked = f"{inert(waits)} waits for a yes: cdml approve {inert(model.model)} {inert(waits)}"
        return line((f" {asked}", "warn"))
    if model.incident is not None:
        return line((f" INC {model.incident} is still open", "warn"), f"; {calm(screen, model)}")
    return line(" " + calm(screen, model))


def _at_a_standstill(state: wire.State) -> str:
    if not state.serving.up:
        return "!SERVING IS DOWN: nobody gets predictions"
    if state.engine.lacking:
        return f"!DISK FULL: {inert(state.engine.lacking)}; cdml doctor names what is large"
    return ""


def calm(screen: Screen, model: wire.ModelState) -> str:
    """Say how a model without a breach is, and when it is looked at next."""
    now = decision_now(screen)
    check = clock(model.next_check, now)
    then = f"; next check {check}" if check != NONE else ""
    if model.champion is None:
        runs = screen.snapshot.jobs if screen.snapshot else []
        busy = any(j.model == model.model and j.state in RUNNING for j in runs)
        if model.versions and not busy:
            return f"no version serves yet; {key_of(screen, 'train')} trains one"
        return f"no version serves yet; {'training runs' if busy else next_step(screen)}"
    measured = [s for s in model.signals if s.last is not None]
    if not measured:
        return f"nothing measured yet of {inert(model.champion)}{then}"
    limited = [s for s in measured if s.limit is not None]
    if not limited:
        return f"no limit is set on any signal{then}"
    quiet = [f"{inert(a.name)} {a.state}" for a in model.alerts]
    if quiet:
        return f"known: {', '.join(quiet)}{then}"
    over = [inert(s.name) for s in limited if s.breached]
    if over:
        return f"over the limit, not yet a breach: {', '.join(over)}{then}"
    return f"all {len(limited)} signals within limits{then}"


def locks(model: wire.ModelState, screen: Screen) -> Line:
    """Name the locks of a model, for the title of its versions; locks are set in wall time."""
    now = wall(screen)
    text = "; ".join(_lock(lock, now) for lock in model.locks)
    return line((f"{text} ", "warn")) if text else EMPTY


def _lock(lock: wire.Lock, now: datetime | None) -> str:
    what = f"{lock.kind.upper()}{f' {inert(lock.version)}' if lock.version else ''}"
    where = " of all" if lock.everywhere else ""
    stopped = sum(s.count for s in lock.suppressed)
    since = f"{age(lock.since, now)}{f', stopped {stopped}' if stopped else ''}"
    return f"{what}{where} by {inert(lock.owner)} {since}"


def fitted(screen: Screen, width: int) -> list[Line]:
    """Return both lines at the given width."""
    return [fit(header(screen, width), width), fit(incident(screen, width), width)]
