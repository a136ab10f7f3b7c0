"""What R, P and S would do now, with the checks behind it; on screen before the key is."""

from cdml_tui.panes.line import Line, inert, line, title, wrapped
from cdml_tui.reach import key_of, ways
from cdml_tui.state import Screen, model_of, running_of, running_text
from engine import wire


def plan(screen: Screen, width: int, height: int) -> list[Line]:
    """Draw the plans, the way back first."""
    head = title("Plan", width, line(("what a key would do ", "dim")), "6")
    model = model_of(screen)
    if model is None:
        return [head, line((" no model", "dim"))][:height]
    back, forth = key_of(screen, "rollback"), key_of(screen, "promote")
    lines = [head, *one_plan(back, "roll back", model.rollback, width)]
    chosen = model.promote.get(screen.selected or "")
    lines.append(line(""))
    if screen.selected == model.champion:
        other = f"{ways(screen)} select another"
        lines.append(line((f" {forth}  the champion is selected; {other}", "dim")))
    elif chosen is not None:
        lines += one_plan(forth, "promote", chosen, width)
    else:
        lines.append(line((f" {forth}  {inert(screen.selected)} cannot be promoted now", "dim")))
    lines += [line(""), _stop(screen, model)]
    return lines[:height]


def _stop(screen: Screen, model: wire.ModelState) -> Line:
    key, row = key_of(screen, "abort"), running_of(model)
    if row is None:
        return line((f" {key}  neither a canary nor a shadow runs", "dim"))
    way = f" stop {inert(row.version)}, {running_text(row)}  "
    return line((f" {key} ", "key"), (way, "bold"), ("READY", "good"))


def checks(of: wire.Plan) -> str:
    """Return the checks of a plan in one line."""
    return ", ".join(
        f"{inert(c.name)} {'ok' if c.ok else f'NOT OK ({inert(c.found)})'}" for c in of.checks
    )


def one_plan(key: str, verb: str, of: wire.Plan, width: int) -> list[Line]:
    """Draw what one key would do, and the checks behind it."""
    if of.to is None:
        why = wrapped(f"{verb}: {inert(of.why) or 'nothing to go to'}", width - 5)
        starts = [f" {key}  ", *["    "] * len(why)]
        return [line((start + t, "dim")) for start, t in zip(starts, why, strict=False)]
    way = f"{inert(of.from_version or 'none')} → {inert(of.to)}"
    state = line((f" {key} ", "key"), (f" {verb} {way}  ", "bold"))
    ready = line(("READY", "good")) if of.ready else line(("NOT READY", "warn"))
    lines = [(*state, *ready)]
    for text in (inert(of.why), inert(of.measured), checks(of)):
        lines += [line(f"    {t}") for t in wrapped(text, width - 5)] if text else []
    if of.overrides:
        lines.append(line(f"    would override: {inert(', '.join(of.overrides))}"))
    return lines
