"""What the engine's answers make of the screen: done, refused, unknown, proven. Pure.

A change is done only once predictions carry the new version; a lost answer is UNKNOWN and asked
for again with the same idempotency key.
"""

from dataclasses import replace
from typing import Literal

from cdml_tui import turning
from cdml_tui.effects import Fetch, Prove, Ran, Step
from cdml_tui.state import Asking, Intent, Outcome, Proving, Screen, Verb, wall
from engine import wire

PROOF_EVERY_S = 0.2
PROOF_GIVEN_UP_S = 30.0
ASK_AGAIN_S = (0.5, 1.0, 2.0, 5.0)

DONE_WORDS: dict[Verb, str] = {
    "rollback": "rolled back",
    "promote": "promoted",
    "abort": "stopped",
    "undo": "undone",
    "train": "training started",
    "ack": "acknowledged",
    "mute": "muted",
    "words": "done",
    "cancel": "cancelled",
    "approve": "approved",
    "reject": "rejected",
    "annotate": "noted",
    "report": "written",
    "accept": "taken in",
    "discard": "discarded",
    "taint": "tainted",
}


def change_answered(screen: Screen, intent: Intent, answer: wire.ChangeAnswer, at: float) -> Step:
    """Take in the engine's answer to a change; done only once predictions show it."""
    if not _awaits(screen, intent):
        return screen, (Fetch(),)
    screen = replace(screen, at=at)
    if not answer.changed or answer.to is None:
        text = f"NOTHING CHANGED: {answer.message or f'{intent.model} was so already'}"
        return replace(screen, bar=None, outcome=Outcome("nothing", text)), (Fetch(),)
    proving = Proving(intent, answer.to, answer.generation, at)
    return replace(screen, bar=proving), (Prove(intent.model, answer.generation), Fetch())


def offline_answered(
    screen: Screen, intent: Intent, answer: wire.ChangeAnswer, doubt: str, at: float
) -> Step:
    """Take in a rollback made without the engine: serving itself has confirmed it, or did not."""
    if not _awaits(screen, intent):
        return screen, (Fetch(),)
    if doubt:
        made = Outcome("unproven", f"RECORDED: {answer.message}. {doubt}")
    else:
        text = f"DONE without the engine: {answer.message}; serving answers by it"
        made = Outcome("done", f"{text} (generation {answer.generation})")
    return replace(screen, at=at, bar=None, outcome=made), (Fetch(),)


def said_answered(screen: Screen, intent: Intent, said: str, *, changed: bool, at: float) -> Step:
    """Take in the answer to what needs no proof: a run, an alert, an incident, a batch."""
    if not _awaits(screen, intent):
        return screen, (Fetch(),)
    kind: Literal["done", "nothing"] = "done" if changed else "nothing"
    word = "DONE" if changed else "NOTHING CHANGED"
    word = "STARTED" if intent.verb == "train" else word
    screen = replace(screen, at=at, bar=None, outcome=Outcome(kind, f"{word}: {said}"))
    screen, asked = turning.asked_again(screen)
    return screen, (Fetch(), *asked)


def words_answered(screen: Screen, intent: Intent, ran: Ran, at: float) -> Step:
    """Take in what a line of the command line came to, by its last words and its exit code."""
    if not _awaits(screen, intent):
        return screen, (Fetch(),)
    said = [line.strip() for line in ran.text.splitlines() if line.strip()]
    text = said[-1] if said else f"cdml {intent.words[0]}"
    outcome = Outcome("done", f"DONE: {text}")
    if ran.code:
        outcome = Outcome("refused", f"FAILED with exit code {ran.code}: {text}")
    return replace(screen, at=at, bar=None, outcome=outcome), (Fetch(),)


def words_lost(screen: Screen, intent: Intent, why: str, at: float) -> Step:
    """Take in that nobody knows whether a line was carried out; doing it twice might do harm."""
    if not _awaits(screen, intent):
        return screen, (Fetch(),)
    text = f"UNKNOWN whether cdml {intent.words[0]} happened: {why} It is not asked again."
    return replace(screen, at=at, bar=None, outcome=Outcome("unknown", text)), (Fetch(),)


def refused(screen: Screen, intent: Intent, message: str, *, status: int, at: float) -> Step:
    """Take in that the engine said no, or that the world was not as the operator saw it."""
    if not _awaits(screen, intent):
        return screen, (Fetch(),)
    word = "REFUSED" if status in (403, 404, 409, 422) else "FAILED"
    return (
        replace(screen, at=at, bar=None, outcome=Outcome("refused", f"{word}: {message}")),
        (Fetch(),),
    )


def unanswered(screen: Screen, intent: Intent, why: str, *, was_sent: bool, at: float) -> Step:
    """Take in that no answer came: what never left is no change, anything else is unknown."""
    bar = screen.bar
    if not _awaits(screen, intent) or not isinstance(bar, Asking):
        return screen, ()
    if not was_sent and not bar.unknown:
        text = f"NOT SENT: {why}"
        return replace(screen, at=at, bar=None, outcome=Outcome("refused", text)), ()
    pause = ASK_AGAIN_S[min(bar.tries - 1, len(ASK_AGAIN_S) - 1)]
    return replace(screen, at=at, bar=replace(bar, unknown=why, retry=at + pause)), ()


def proof_came(screen: Screen, proof: wire.Proof | None, at: float) -> Step:
    """Take in who has answered since; None where the engine could not be asked."""
    bar = screen.bar
    if not isinstance(bar, Proving):
        return screen, ()
    screen = replace(screen, at=at)
    if proof is not None and (proof.model, proof.generation) != (bar.intent.model, bar.generation):
        return screen, ()
    if proof is not None and proof.proven and proof.by_version.get(bar.to, 0) > 0:
        return replace(screen, bar=None, outcome=Outcome("done", _proven(screen, bar, proof))), (
            Fetch(),
        )
    if at - bar.since > PROOF_GIVEN_UP_S:
        done = f"{bar.intent.model} was {DONE_WORDS[bar.intent.verb]} to {bar.to}"
        if bar.intent.verb == "abort":
            done = f"{bar.intent.to} was stopped and {bar.to} serves on"
        text = (
            f"UNPROVEN: {done}, but no prediction by {bar.to} was seen in "
            f"{PROOF_GIVEN_UP_S:.0f} s; is serving up?"
        )
        return replace(screen, bar=None, outcome=Outcome("unproven", text)), (Fetch(),)
    waiting = replace(bar, proof=proof or bar.proof, retry=at + PROOF_EVERY_S)
    return replace(screen, bar=waiting), ()


def _proven(screen: Screen, bar: Proving, proof: wire.Proof) -> str:
    by_new = proof.by_version[bar.to]
    others = sum(n for version, n in proof.by_version.items() if version != bar.to)
    # What was stopped must not answer any more; a champion that is left must not either.
    left = bar.intent.to if bar.intent.verb == "abort" else bar.intent.from_version
    count = others if left is None or left == bar.to else proof.by_version.get(left, 0)
    whom = "others" if left is None or left == bar.to else left
    rows = "probe rows" if proof.source == "probe" else "predictions"
    now = wall(screen)
    when = f" {now:%H:%M:%S}" if now else ""
    return f"DONE{when}  {bar.to} serving: {by_new} {rows} by {bar.to}, {count} by {whom} since"


def _awaits(screen: Screen, intent: Intent) -> bool:
    bar = screen.bar
    return isinstance(bar, Asking) and bar.intent.idempotency_key == intent.idempotency_key
