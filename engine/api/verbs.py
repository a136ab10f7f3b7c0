"""The verbs that move who serves or what may: each the pipeline's own, by its name in the route."""

from collections.abc import Callable

from engine.ledger.change import Actor
from engine.pipeline.approve import approve, reject
from engine.pipeline.canary import abort, canary, roll_through
from engine.pipeline.locks import freeze, hold, pin, resume, thaw, unpin
from engine.pipeline.notes import note
from engine.pipeline.promote import promote
from engine.pipeline.rollback import rollback
from engine.pipeline.site import Site
from engine.pipeline.undo import undo
from engine.wire import (
    Change,
    ChangeAnswer,
    LockAnswer,
    LockRequest,
)

CHANGES: dict[str, Callable[[Site, str, Actor, Change], ChangeAnswer]] = {
    "promote": promote,
    "rollback": rollback,
    "undo": undo,
    "canary": canary,
    "abort": abort,
    "roll-through": roll_through,
    "approve": approve,
    "reject": reject,
    "note": note,
}
LOCKS: dict[str, Callable[[Site, str, Actor, LockRequest], LockAnswer]] = {
    "hold": hold,
    "resume": resume,
    "freeze": freeze,
    "thaw": thaw,
    "pin": pin,
    "unpin": unpin,
}
