"""The rollout that runs, or how the last one ended: phase, plan, evidence, what it waits for."""

from cdml_tui.panes.facts import facts
from cdml_tui.panes.figures import clock, span_of
from cdml_tui.panes.line import EMPTY, Line, Style, beside, fit, inert, line, title
from cdml_tui.panes.path import path
from cdml_tui.screens.page import WIDE, Body, Page
from cdml_tui.sheet import Sheet
from cdml_tui.state import Intent, Screen, Verb, decision_now
from engine import wire

_CHART = 9
_TALLEST = 20
_STEPS: dict[str, Style] = {"now": "bold", "done": "dim", "to come": ""}


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    page: wire.RolloutPage = sheet.value
    rows = [*_facts(page, width), *_plan(page, width)]
    rows += [title("Evidence, against its boundary", width), *_evidence(screen, page, width)]
    return Body(rows, head=(_phase(screen, page, width),))


def _phase(screen: Screen, page: wire.RolloutPage, width: int) -> Line:
    if page.phase == "none":
        how = f"; {page.version} {page.ended}" if page.version else "; none has run yet"
        return fit(line((" no rollout runs", "bold"), inert(how)), width)
    share = f" at {page.share_pct:g} %" if page.phase == "canary" else ", it answers nobody"
    since = f" since {clock(page.since, decision_now(screen))}" if page.since else ""
    beside_whom = f" beside {page.champion or 'nobody'}{since}"
    said = f" {page.version} {page.phase.upper()}{share}"
    return fit(line((inert(said), "bold"), inert(beside_whom)), width)


def _facts(page: wire.RolloutPage, width: int) -> list[Line]:
    runs = page.phase != "none"
    model = page.model
    how = {
        "manual": "a person takes every step",
        "approve": "each step waits for a person",
        "automatic": "steps are taken on evidence alone",
    }
    commands = ""
    if page.waiting:
        commands = f"cdml approve {model} {page.version}; cdml reject {model} {page.version}"
    elif runs:
        commands = f"cdml abort {model}; cdml roll-through {model} if the champion is sick"
    elif page.version is None:
        commands = f"cdml train {model}; cdml canary {model} VERSION"
    return facts(
        (
            ("mode", f"{page.mode}{f': {how[page.mode]}' if page.mode in how else ''}"),
            *_says(page),
            ("routing", _ratio(page)),
            ("commands", commands),
        ),
        width,
    )


def _says(page: wire.RolloutPage) -> list[tuple[str, str]]:
    """Say what was decided, and what the rollout waits for: a person, rows, or evidence."""
    if page.decision == "wait" and page.phase != "none" and not page.waiting:
        return [("waits", page.why)]
    word = "said" if page.phase == "none" else "says"
    said = [(word, f"{page.decision}: {page.why}" if page.why else page.decision)]
    return said + ([("waits", f"for a person {page.waiting}")] if page.waiting else [])


def _ratio(page: wire.RolloutPage) -> str:
    found = next((g for g in page.guardrails if g.name == "routing"), None)
    return found.text.removeprefix("routing: ") if found else ""


def _plan(page: wire.RolloutPage, width: int) -> list[Line]:
    """Draw the steps, and after how long each would show a rise in errors."""
    lines = [title("Plan", width)]
    if not page.plan:
        return [*lines, line((" no steps are set", "dim"))]
    heads = "   STEP          ROWS  ERRORS OF 1 % -> 3 % SHOW AFTER"
    lines.append(fit(line((heads, "dim")), width))
    for step in page.plan:
        state = _state(page, step)
        name = f"canary {step.share_pct:g} %" if step.share_pct else "shadow"
        mark = "▸" if state == "now" else " "
        text = f" {mark} {name:<12} {step.rows:>5}  {_shows(step)}"
        lines.append(fit(line((text, _STEPS[state])), width))
    return lines


def _state(page: wire.RolloutPage, step: wire.RolloutStep) -> str:
    if page.phase == "none":
        return "to come"
    if step.share_pct == page.share_pct:
        return "now"
    return "done" if step.share_pct < page.share_pct else "to come"


def _shows(step: wire.RolloutStep) -> str:
    if step.detect_rows is None:
        return "its answers go to nobody"
    if step.detect_minutes is None:
        return f"{step.detect_rows:,} rows; nobody asks at present"
    return f"{step.detect_rows:,} rows, about {span_of(step.detect_minutes * 60)} at today's pace"


def _evidence(screen: Screen, page: wire.RolloutPage, width: int) -> list[Line]:
    if not page.guardrails:
        why = "no look yet: the first one follows within a minute of a rollout's begin"
        return [line((f" {why}", "dim"))]
    if len(page.guardrails) == 1:
        return path(page.guardrails[0], width, max(_CHART, min(_TALLEST, screen.height - 16)))
    if width < WIDE:
        return [one for g in page.guardrails for one in (*path(g, width, _CHART), EMPTY)]
    half = width // 2
    height = max(_CHART, (screen.height - 20) // 2)
    charts = [path(g, half - 1, height) for g in page.guardrails]
    rows: list[Line] = []
    for i in range(0, len(charts), 2):
        right = charts[i + 1] if i + 1 < len(charts) else []
        rows += [*beside(charts[i], right, half, "", width), EMPTY]
    return rows


def _abort(_: Screen, sheet: Sheet) -> Intent | str:
    page: wire.RolloutPage = sheet.value
    if page.phase == "none":
        return "no rollout runs"
    return Intent("abort", page.model, page.champion, page.version)


def _step(verb: Verb, page: wire.RolloutPage) -> Intent | str:
    if not page.waiting:
        return "nothing waits for a person here"
    says = (("decided", f"{page.decision}: {page.why}"),) if page.why else ()
    return Intent(
        verb,
        page.model,
        page.champion,
        page.version,
        careful=f"it waits for a person {page.waiting}",
        effect=says,
        same_as=f"cdml {verb} {page.model} {page.version}",
    )


PAGE = Page(
    "rollout",
    title=lambda subject: f"Rollout of {subject.model}",
    draw=_draw,
    ask=lambda client, subject: client.rollout(subject.model or ""),
    keys=("abort", "approve", "reject"),
    every=lambda sheet: 5.0 if sheet.value.phase != "none" else None,
    changes={
        "abort": _abort,
        "approve": lambda _, sheet: _step("approve", sheet.value),
        "reject": lambda _, sheet: _step("reject", sheet.value),
    },
)
