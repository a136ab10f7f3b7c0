"""The screen's whole state as one frozen value, and the functions that make the next one.

Moments named `at`, `heard`, `since` are monotonic seconds handed in; nothing here asks the time.
What keys do is in guard.py.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Literal

from cdml_tui.keyhelp import KeyHelp, VerbHelp
from cdml_tui.prompt import Prompt
from cdml_tui.sheet import Filter, Sheet, lets
from engine import wire

FRESH_S = 5.0

# "words" is a line of the command line that has no key of its own.
Verb = Literal[
    "rollback", "promote", "abort", "undo", "train", "ack", "mute", "words",
    "cancel", "approve", "reject", "annotate", "report", "accept", "discard", "taint",
]  # fmt: skip
Stage = Literal["version", "reason", "note", "name"]
Link = Literal["connecting", "live", "stale", "lost"]
Glyphs = Literal["unicode", "ascii"]
Theme = Literal["ansi-dark", "ansi-light", "high-contrast", "colour-blind", "truecolor"]
Pane = Literal["versions", "signals", "jobs", "events", "drift", "plan"]


@dataclass(frozen=True, slots=True)
class Intent:
    """One change as the operator saw it; the idempotency key makes asking twice harmless.

    What a page offers says also what it is `about`, its `effect`, what to be `careful` about, and
    what it `wants` typed before it is sent: for a guard that is overridden, the `word` first.
    """

    verb: Verb
    model: str
    from_version: str | None
    to: str | None
    idempotency_key: str = ""
    plan: wire.Plan | None = None
    override: tuple[str, ...] = ()
    reason: str = ""
    alert: wire.AlertRow | None = None
    words: tuple[str, ...] = ()
    about: str = ""
    effect: tuple[tuple[str, str], ...] = ()
    careful: str = ""
    same_as: str = ""
    wants: tuple[Stage, ...] = ()
    word: str = ""


@dataclass(frozen=True, slots=True)
class Window:
    """Class B: the change fires at `fires_at` unless any key comes first."""

    intent: Intent
    fires_at: float


@dataclass(frozen=True, slots=True)
class Confirm:
    """Class C: `y` before `until` fires it; `why` says what is surprising."""

    intent: Intent
    until: float
    why: str


@dataclass(frozen=True, slots=True)
class Typing:
    """Class D: the version, then a reason; or only a reason, or a note. Class E: a name."""

    intent: Intent
    stage: Stage = "version"
    text: str = ""
    needed: str = ""


@dataclass(frozen=True, slots=True)
class Explain:
    """The key cannot work now; this says why, and any key closes it."""

    title: str
    lines: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Asking:
    """The change is with the engine. `unknown` once an answer was lost; asked again at `retry`."""

    intent: Intent
    since: float
    tries: int = 1
    unknown: str = ""
    retry: float | None = None


@dataclass(frozen=True, slots=True)
class Proving:
    """The engine has changed the roles; predictions have yet to show it."""

    intent: Intent
    to: str
    generation: int
    since: float
    proof: wire.Proof | None = None
    retry: float | None = None


Bar = Window | Confirm | Typing | Explain | Asking | Proving | Prompt


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of the last change, said until the next one."""

    kind: Literal["done", "nothing", "refused", "unproven", "unknown"]
    text: str


@dataclass(frozen=True, slots=True)
class Seen:
    """What has been on the screen unchanged, and since when."""

    what: tuple[str | None, ...] = ()
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class Past:
    """The past moment that is looked at; `state` is of the one before until its own has come."""

    at: str
    state: wire.State | None = None


@dataclass(frozen=True, slots=True)
class Screen:
    """Everything the panes draw from."""

    path: str = ""
    at: float = 0.0
    width: int = 80
    height: int = 24
    glyphs: Glyphs = "unicode"
    theme: Theme = "ansi-dark"
    keys: tuple[KeyHelp, ...] = ()
    verbs: tuple[VerbHelp, ...] = ()
    history: tuple[str, ...] = ()
    snapshot: wire.State | None = None
    received: float = 0.0
    heard: float | None = None
    lost: str = ""
    barred: bool = False
    model: str | None = None
    selected: str | None = None
    target_seen: Seen = Seen()
    selected_seen: Seen = Seen()
    running_seen: Seen = Seen()
    bar: Bar | None = None
    outcome: Outcome | None = None
    message: str = ""
    last_key: float = float("-inf")
    sheets: tuple[Sheet, ...] = ()
    past: Past | None = None
    quit_asked: bool = False
    slow: bool = False
    marks: tuple[str, ...] = ()
    focus: Pane = "versions"
    zoomed: bool = False
    top: int = 0
    filters: tuple[Filter, ...] = ()
    paused: float | None = None
    behind: tuple[wire.State, float] | None = None
    last_words: str = ""


# ---------------------------------------------------------------- what the screen says


def then_of(screen: Screen) -> Screen:
    """Return the screen as it is drawn: of the past moment that is looked at, if any."""
    if screen.past is None or screen.past.state is None:
        return screen
    then = replace(screen, snapshot=screen.past.state, received=screen.at)
    names = [row.version for row in ordered(model)] if (model := model_of(then)) else []
    selected = screen.selected if screen.selected in names else next(iter(names), None)
    return replace(then, selected=selected)


def model_of(screen: Screen) -> wire.ModelState | None:
    """Return the model on the screen."""
    return model_named(screen, screen.model)


def model_named(screen: Screen, name: str | None) -> wire.ModelState | None:
    """Return the model of that name."""
    models = screen.snapshot.models if screen.snapshot else []
    return next((m for m in models if m.model == name), None)


def ordered(model: wire.ModelState) -> list[wire.VersionRow]:
    """Return the versions as listed: who serves, the way back, what could be promoted, the rest."""

    def rank(row: wire.VersionRow) -> int:
        for place, role in enumerate(("champion", "canary", "shadow")):
            if role in row.roles:
                return place
        if row.version == model.rollback.to:
            return 3
        if promotable(model, row):
            return 4
        return 5 if "standby" in row.roles else 6

    newest_first = sorted(model.versions, key=_age_order, reverse=True)
    return sorted(newest_first, key=rank)


def filter_of(screen: Screen, pane: str) -> Filter | None:
    """Return the filter of a pane of the base screen."""
    return next((f for f in screen.filters if f.place == pane), None)


def listed(screen: Screen, model: wire.ModelState) -> list[wire.VersionRow]:
    """Return the versions that the filter lets through; who serves and the way back always are."""
    rows, wanted = ordered(model), filter_of(screen, "versions")
    if wanted is None:
        return rows
    serving = {"champion", "canary", "shadow"}

    def kept(row: wire.VersionRow) -> bool:
        text = f"{row.version} {' '.join(row.roles)} {row.state} {row.fitness}"
        return (
            bool(serving & set(row.roles)) or row.version == model.rollback.to or lets(wanted, text)
        )

    return [row for row in rows if kept(row)]


def running_of(model: wire.ModelState) -> wire.VersionRow | None:
    """Return the version that is being brought in, as canary or as shadow."""
    return next((row for row in model.versions if {"canary", "shadow"} & set(row.roles)), None)


def running_text(row: wire.VersionRow) -> str:
    """Name the rollout of a version: what it is, and the share it answers."""
    return f"canary {row.share_pct:g} %" if "canary" in row.roles else "shadow"


def safe_mode(model: wire.ModelState, version: str | None) -> bool:
    """Say whether a version is a simple baseline, whose every answer is flagged."""
    return any(row.safe_mode for row in model.versions if row.version == version)


def promotable(model: wire.ModelState, row: wire.VersionRow) -> bool:
    """Say whether a version waits for P: past its gate, and never yet a champion."""
    plan = model.promote.get(row.version)
    served = {"champion", "standby"} & set(row.roles)
    return plan is not None and plan.ready and row.fitness == "blessed" and not served


def link_of(screen: Screen) -> Link:
    """Say how far the numbers on the screen can be trusted to be of now."""
    if screen.lost:
        return "lost"
    if screen.snapshot is None or screen.heard is None:
        return "connecting"
    return "live" if screen.at - screen.heard < FRESH_S else "stale"


def moment(text: str | None) -> datetime | None:
    """Read a time of the wire; what is no time is None and shown as not known."""
    try:
        then = datetime.fromisoformat(text) if text else None
    except ValueError:
        return None
    return then.replace(tzinfo=UTC) if then is not None and then.tzinfo is None else then


def age_s(screen: Screen) -> float:
    """Return the seconds since the engine was last heard of."""
    return max(0.0, screen.at - (screen.received if screen.heard is None else screen.heard))


def wall(screen: Screen) -> datetime | None:
    """Return the operator's time: the engine's at the last snapshot, carried on."""
    if screen.snapshot is None:
        return None
    elapsed = timedelta(seconds=max(0.0, screen.at - screen.received))
    at_snapshot = moment(screen.snapshot.engine.wall)
    return at_snapshot + elapsed if at_snapshot else None


def decision_now(screen: Screen) -> datetime | None:
    """Return the time decisions are made in; a simulated clock stands between snapshots."""
    if screen.snapshot is None:
        return None
    engine = screen.snapshot.engine
    return moment(engine.now) if engine.simulated else wall(screen)


def undo_left_s(screen: Screen) -> float:
    """Return the seconds in which the last change of this model can still be undone."""
    model, now = model_of(screen), wall(screen)
    until = moment(model.undo_until) if model else None
    return max(0.0, (until - now).total_seconds()) if until and now else 0.0


def undo_of(screen: Screen) -> str:
    """Name the change that undo would take back, with a space after it."""
    model = model_of(screen)
    return f"{model.undo_of} " if model and model.undo_of else ""


def firing_of(model: wire.ModelState) -> wire.AlertRow | None:
    """Return the worst alert that nobody has quieted."""
    return next((a for a in model.alerts if a.state == "firing"), None)


# ---------------------------------------------------------------- the next screen


def snapshot_came(screen: Screen, snapshot: wire.State, at: float) -> Screen:
    """Take in a snapshot; a paused screen keeps it for later."""
    if screen.paused is not None:
        return replace(screen, behind=(snapshot, at), heard=at, lost="", barred=False, at=at)
    came = replace(screen, snapshot=snapshot, received=at, heard=at, lost="", barred=False, at=at)
    return looked_at(came)


def heartbeat_came(screen: Screen, at: float) -> Screen:
    """Note a sign of life; it alone does not bring a lost link back, a snapshot does."""
    return replace(screen, heard=at, at=at)


def link_lost(screen: Screen, why: str, at: float, *, barred: bool = False) -> Screen:
    """Note that the engine does not answer; what was known stays on the screen."""
    return replace(screen, lost=why, barred=barred, at=at)


def resized(screen: Screen, width: int, height: int) -> Screen:
    """Take in the size of the terminal."""
    return replace(screen, width=width, height=height)


def looked_at(screen: Screen) -> Screen:
    """Settle what is selected, and since when the operator has seen what a key would do."""
    models = screen.snapshot.models if screen.snapshot else []
    if models and screen.model not in {m.model for m in models}:
        screen = replace(screen, model=models[0].model, selected=None)
    model = model_of(screen)
    if model is None:
        return screen
    names = [row.version for row in listed(screen, model)]
    selected = screen.selected if screen.selected in names else (names[0] if names else None)
    target = (model.model, model.champion, model.rollback.to)
    picked = (model.model, model.champion, selected)
    row = running_of(model)
    running = (model.model, row.version if row else None)
    return replace(
        screen,
        selected=selected,
        target_seen=_seen(screen.target_seen, target, screen.at),
        selected_seen=_seen(screen.selected_seen, picked, screen.at),
        running_seen=_seen(screen.running_seen, running, screen.at),
    )


def seen_anew(screen: Screen) -> Screen:
    """Start the second of looking again, after another page covered the screen."""
    return replace(
        screen,
        target_seen=replace(screen.target_seen, since=screen.at),
        selected_seen=replace(screen.selected_seen, since=screen.at),
        running_seen=replace(screen.running_seen, since=screen.at),
    )


def _seen(before: Seen, what: tuple[str | None, ...], at: float) -> Seen:
    return before if before.what == what else Seen(what, at)


def _age_order(row: wire.VersionRow) -> tuple[int, str]:
    digits = "".join(c for c in row.version if c.isdigit())
    return int(digits) if digits else 0, row.version
