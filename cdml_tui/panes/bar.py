"""The last lines: the action bar while a change is meant, else what happened last and the keys."""

import shlex
from collections.abc import Collection

from cdml_tui.panes.facts import NARROW, Label, labelled
from cdml_tui.panes.figures import percent, span_of
from cdml_tui.panes.line import (
    EMPTY,
    Line,
    Span,
    Style,
    ends,
    fit,
    inert,
    line,
    tail,
    text_of,
    title,
    width_of,
    wrapped,
)
from cdml_tui.panes.line_bar import line_rows, prompt_lines
from cdml_tui.panes.plan import checks
from cdml_tui.prompt import Prompt
from cdml_tui.reach import key_of, works
from cdml_tui.state import (
    Asking,
    Bar,
    Confirm,
    Explain,
    Intent,
    Proving,
    Screen,
    Typing,
    Window,
    link_of,
    model_of,
    running_of,
    running_text,
    safe_mode,
    undo_left_s,
    undo_of,
)
from engine import wire

BAR_ROWS = 6
_MESSAGE = 3
# What the line above the footer names on the base screen, while nothing else is said there.
_LOOKS = (
    "version",
    "compare",
    "drift",
    "performance",
    "jobs",
    "overview",
    "past",
    "model",
    "rollout",
    "incidents",
    "alerts",
    "data",
    "audit",
    "events",
    "palette",
)
_VERBS = {
    "rollback": "Roll back",
    "promote": "Promote",
    "abort": "Stop the rollout of",
    "undo": "Undo",
    "train": "Train",
    "ack": "Acknowledge",
    "mute": "Mute for a day",
    "words": "Command",
    "cancel": "Cancel",
    "approve": "Approve the next step of",
    "reject": "Reject what waits of",
    "annotate": "Note on incident",
    "report": "Report on incident",
    "accept": "Take in",
    "discard": "Discard",
    "taint": "Taint batch",
}
_AFTER = {
    "rollback": "   afterwards u = undo for 60 s",
    "promote": "   afterwards u = undo for 60 s",
    "abort": "   afterwards cdml validate has it judged again",
}
_TYPING_END = "   Esc = stop"
_WANTED = {"reason": "type why and Enter", "note": "type a note and Enter"}
_OUTCOME_STYLE: dict[str, Style] = {
    "done": "good",
    "nothing": "bold",
    "refused": "bad",
    "unproven": "alarm",
    "unknown": "alarm",
}


def rows_needed(screen: Screen, width: int) -> int:
    """Return how many lines the bottom takes now."""
    if isinstance(screen.bar, Prompt):
        return line_rows(screen, screen.bar, width)
    if screen.bar is not None:
        return BAR_ROWS
    return len(_said(screen, width)) + 1


def bottom(
    screen: Screen,
    width: int,
    height: int,
    names: tuple[str, ...] = (),
    dim: Collection[str] = (),
) -> list[Line]:
    """Draw the action bar, or the last outcome and the keys; without names those of the base."""
    if isinstance(screen.bar, Prompt):
        return prompt_lines(screen, screen.bar, width, height)
    if screen.bar is not None:
        return action_bar(screen, screen.bar, width, height)
    said = _said(screen, width)
    return [*said[-max(0, height - 1) :], footer(screen, width, names, dim)][-height:]


def footer(
    screen: Screen, width: int, names: tuple[str, ...] = (), dim: Collection[str] = ()
) -> Line:
    """Draw the keys that fit; a page says itself which of its keys can do nothing now."""
    parts: list[Span] = []
    by_name = {k.name: k for k in screen.keys}
    usual = sorted((k for k in screen.keys if k.in_footer), key=lambda k: k.in_footer)
    wanted = [by_name[n] for n in names] or usual
    for key in wanted:
        able = key.name not in dim if names else works(screen, key.name)
        style: tuple[Style, Style] = ("key", "") if able else ("dim", "dim")
        gap = "  " if parts else " "
        more = [Span(f"{gap}{key.keys[0]}", style[0]), Span(f" {key.short}", style[1])]
        if sum(width_of(s.text) for s in (*parts, *more)) > width:
            break
        parts += more
    return ends(tuple(parts), EMPTY, width)


def _said(screen: Screen, width: int) -> list[Line]:
    """Say what is to be known above the keys: a message, the last outcome, the way without us."""
    lines: list[Line] = []
    if link_of(screen) in ("lost", "stale") and screen.model and not screen.barred:
        lines += [line((t, "bad")) for t in wrapped(without_engine(screen), width - 2)]
    elif screen.lost:
        lines += [line((t, "bad")) for t in wrapped(inert(screen.lost), width - 2)]
    undo = undo_left_s(screen)
    tail = (
        line((f"  {key_of(screen, 'undo')}", "key"), f" = undo {undo_of(screen)}{undo:.0f} s ")
        if undo > 0
        else EMPTY
    )
    if screen.outcome is not None:
        style = _OUTCOME_STYLE[screen.outcome.kind]
        texts = wrapped(inert(screen.outcome.text), max(20, width - width_of(text_of(tail)) - 1))
        told: list[Line] = [(Span(f" {t}", style),) for t in texts]
        lines += [*told[:-1], ends(told[-1], tail, width)] if told else []
    elif screen.message:
        room = max(20, width - width_of(text_of(tail)) - 1)
        lines += [line((f" {t}", "bold")) for t in wrapped(inert(screen.message), room)[:_MESSAGE]]
        lines[-1] = ends(lines[-1], tail, width)
    else:
        room = width - width_of(text_of(tail))
        lines.append(ends(EMPTY if screen.sheets else footer(screen, room, _LOOKS), tail, width))
    if screen.outcome is not None and screen.message:
        lines.append(line(f" {inert(screen.message)}"))
    return [tuple(one) for one in lines]


def without_engine(screen: Screen) -> str:
    """Return the command that rolls back while no engine answers."""
    command = f"cdml -w {inert(screen.path)} rollback {inert(screen.model)} --offline"
    return f"works without the engine: {command}"


# ---------------------------------------------------------------- the action bar


def action_bar(screen: Screen, bar: Bar, width: int, height: int) -> list[Line]:
    """Draw what a change would do or has become; the prompt is always the last line."""
    match bar:
        case Window(intent=intent, fires_at=due):
            note = f"fires in {max(0.0, due - screen.at):.1f} s"
            head, body = _heading(intent, note, width), _effect(screen, intent, width)
            after = _AFTER.get(intent.verb, "") if width >= NARROW else ""
            prompt = line((" any key = cancel", "key"), after)
        case Confirm(intent=intent, why=why, until=until):
            left = f"waits {max(0.0, until - screen.at):.0f} s for y"
            head, body = _heading(intent, left, width), _effect(screen, intent, width)
            body.insert(0, (("careful", "warn"), why))
            body = body if width >= NARROW else body[:3]
            prompt = line((" y = do it", "key"), "   any other key = cancel")
        case Typing() as typing:
            head, body, prompt = _typing(screen, typing, width)
        case Explain(title=name, lines=lines):
            head = _rule(name, "nothing was sent", width)
            body = [(("", ""), text) for text in lines]
            prompt = line((" any key = close", "key"))
        case Asking() as asking:
            head, body, prompt = _asking(screen, asking, width)
        case Proving() as proving:
            head, body, prompt = _proving(screen, proving, width)
        case Prompt() as typed:
            return prompt_lines(screen, typed, width, height)
    room = max(0, height - 2)
    drawn = _shared([labelled(label, text, width) for label, text in body], room, width)
    drawn += [EMPTY] * (room - len(drawn))
    return [head, *drawn, ends(prompt, _typed_message(screen), width)][-height:]


def _typed_message(screen: Screen) -> Line:
    return line((f" {inert(screen.message)} ", "warn")) if screen.message else EMPTY


def _shared(items: list[list[Line]], room: int, width: int) -> list[Line]:
    """Give every item a line before any gets a second one; what was cut shows it."""
    given = [1] * len(items)
    for i, item in enumerate(items):
        given[i] += max(0, min(len(item) - 1, room - sum(given)))
    lines: list[Line] = []
    for item, n in zip(items, given, strict=True):
        kept = item[:n]
        if len(item) > n and kept:
            last = fit(kept[-1], width - 2)
            kept[-1] = last if text_of(last).endswith("…") else (*last, Span("…", "dim"))
        lines += kept
    return lines[:room]


def _rule(name: str, note: str, width: int) -> Line:
    right = line((f" {note} ", "alarm"), ("─", "dim"))
    return ends(title(inert(name), width - width_of(text_of(right))), right, width)


def _heading(intent: Intent, note: str, width: int) -> Line:
    way = f"  {intent.from_version or 'none'} → {intent.to}" if intent.to else ""
    if intent.verb in ("abort", "approve", "reject"):
        way = f"  {intent.to}"
    if intent.words:
        return _rule(f"cdml {' '.join(intent.words[:3])}", note, width)
    if intent.alert is not None:
        way = f"  alert {intent.alert.number}"
    model = f" {intent.model}" if width >= NARROW else ""
    if intent.about:
        model, way = f" {intent.about}", f" of {intent.model}" if model else ""
    return _rule(f"{_VERBS[intent.verb]}{model}{way}", note, width)


def _effect(screen: Screen, intent: Intent, width: int) -> list[tuple[Label, str]]:
    """Say what would happen: traffic, what was measured, what was checked, the same by command."""
    same = same_as(screen, intent)
    body: list[tuple[Label, str]] = [((label, ""), text) for label, text in intent.effect]
    if intent.verb in ("rollback", "promote"):
        body.append((("traffic", ""), _traffic(screen, intent)))
    if intent.verb == "abort":
        body.append((("stops", ""), _stopped(screen, intent)))
    if intent.verb == "undo":
        what = f"the last change ({intent.reason})" if intent.reason else "the last change"
        body.append((("takes", ""), f"back {what}: roles, fitness and locks as they were"))
    if intent.words:
        body.append((("does", ""), _meaning(screen, intent)))
    if intent.verb == "train":
        body.append((("trains", ""), f"new candidates of {intent.model}; nobody is served by them"))
    if intent.alert is not None:
        body += _quieted(intent, intent.alert)
    if intent.plan is not None:
        body.append((("measured", ""), intent.plan.measured or f"nothing about {intent.to} yet"))
        if intent.plan.checks:
            body.append((("checks", ""), checks(intent.plan)))
    if width >= NARROW:
        body.append((("same as", ""), same))
    return body


def _meaning(screen: Screen, intent: Intent) -> str:
    verb = next((v.help for v in screen.verbs if v.name == intent.words[0]), "")
    champion = f"; {intent.from_version} is the champion now" if intent.from_version else ""
    return f"{verb}{champion}"


def _quieted(intent: Intent, alert: wire.AlertRow) -> list[tuple[Label, str]]:
    """Say which alert would be quiet, what is known of it, and for how long."""
    until = "until it ends or grows worse" if intent.verb == "ack" else "for a day, whatever comes"
    said: list[tuple[Label, str]] = [(("alert", ""), alert.text), (("quiet", ""), until)]
    return said + ([(("moved", ""), alert.because)] if alert.because else [])


def _traffic(screen: Screen, intent: Intent) -> str:
    model = model_of(screen)
    shares = [
        f"{row.version} {percent(row.share_pct)}"
        for row in (model.versions if model else [])
        if row.share_pct > 0
    ]
    simple = model is not None and safe_mode(model, intent.to)
    note = ", SAFE MODE: the simple baseline, every answer flagged" if simple else ""
    return f"{' '.join(shares) or 'nobody'} → {intent.to} 100%{note}"


def _stopped(screen: Screen, intent: Intent) -> str:
    model = model_of(screen)
    row = running_of(model) if model else None
    if row is None or row.version != intent.to:
        return f"{intent.to}; {intent.from_version} serves on"
    if "canary" in row.roles:
        return f"{running_text(row)} of {row.version}; {intent.from_version} answers all"
    return f"shadow of {row.version}; it answers nobody, {intent.from_version} serves on"


def same_as(screen: Screen, intent: Intent) -> str:
    """Return the command that asks for the same change."""
    if intent.words:
        return f"cdml {shlex.join(intent.words)}"
    if intent.same_as:
        return intent.same_as
    if intent.plan is not None and intent.plan.same_as:
        return intent.plan.same_as
    if intent.alert is not None:
        return f"cdml alert {intent.verb} {intent.alert.number}"
    template = next((k.command for k in screen.keys if k.name == intent.verb), "")
    return template.format(model=intent.model, version=intent.to or "")


def _typing(
    screen: Screen, typing: Typing, width: int
) -> tuple[Line, list[tuple[Label, str]], Line]:
    intent = typing.intent
    why = intent.plan.why if intent.plan else ""
    body: list[tuple[Label, str]] = _effect(screen, intent, width)
    guarded = intent.override or (intent.words and typing.stage != "name")
    if typing.stage == "name":
        body.insert(0, (("FINAL", "alarm"), "no key and no command takes this back"))
    elif guarded:
        said = why or intent.careful or "this overrides a guard"
        guard: list[tuple[Label, str]] = [(("GUARD", "alarm"), said)]
        if intent.override:
            guard.append((("override", "warn"), ", ".join(intent.override)))
        body = [*guard, *body[:2]]
    elif intent.careful:
        body.insert(0, (("careful", "warn"), intent.careful))
    named = f"type {typing.needed or intent.word or intent.to} and Enter"
    wanted = _WANTED.get(typing.stage, named)
    # Of a long text its end is seen, where one types.
    end = _TYPING_END if width >= NARROW else ""
    room = width - width_of(f" {inert(wanted)}: _{end}")
    typed = tail(inert(typing.text), max(1, room))
    prompt = line((f" {inert(wanted)}: ", "key"), (typed + "_", "bold"), end)
    note = "overrides a guard" if guarded else "not sent yet"
    note = "no way back" if typing.stage == "name" else note
    return _heading(intent, note, width), body, prompt


def _asking(
    screen: Screen, asking: Asking, width: int
) -> tuple[Line, list[tuple[Label, str]], Line]:
    intent, took = asking.intent, span_of(screen.at - asking.since)
    if not asking.unknown:
        head = _heading(intent, "sent", width)
        return head, [(("", ""), f"the engine has it; waiting for its answer ({took})")], EMPTY
    body: list[tuple[Label, str]] = [
        (("UNKNOWN", "alarm"), f"whether it happened: {asking.unknown}"),
        (("asking", ""), f"again with the same key, try {asking.tries}; it cannot happen twice"),
    ]
    if intent.verb == "rollback":
        body.append((("or", ""), without_engine(screen)))
        # Where there is little room, the command comes whole.
        body = body if width >= NARROW else [body[2], body[0]]
    return _heading(intent, f"UNKNOWN for {took}", width), body, line((" Esc = stop asking", "key"))


def _proving(
    screen: Screen, proving: Proving, width: int
) -> tuple[Line, list[tuple[Label, str]], Line]:
    counts = proving.proof.by_version if proving.proof else {}
    seen = ", ".join(f"{n} by {v}" for v, n in sorted(counts.items())) or "none"
    body: list[tuple[Label, str]] = [
        (("engine", ""), f"roles moved, generation {proving.generation}"),
        (("proof", ""), f"waiting for predictions by {proving.to}; so far {seen}"),
    ]
    took = span_of(screen.at - proving.since)
    undo = undo_left_s(screen)
    tail = f"   u = undo {undo:.0f} s" if undo > 0 else ""
    prompt = line((" Esc = stop waiting", "key"), tail)
    return _heading(proving.intent, f"not yet proven, {took}", width), body, prompt
