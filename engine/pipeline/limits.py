"""The limit on automatic actions of a model in a day: reaching it freezes the model and tells."""

from datetime import timedelta

from engine.domain.locks import FREEZE
from engine.ledger.change import Actor
from engine.pipeline import incidents, locks
from engine.pipeline.site import Control
from engine.wire import LockRequest

DAY = timedelta(days=1)
LIMIT = Actor("engine", "action limit")


def acted(site: Control, model: str) -> None:
    """Freeze a model whose automatic actions of the last day have reached their limit."""
    most = site.model(model).rollout.actions_per_day
    since = site.clock.now() - DAY
    found = site.ledger.automatic_actions(model, since)
    if found < most or any(lock.kind == FREEZE for lock in site.ledger.locks(model)):
        return
    text = f"{found} automatic actions within a day, {most} are allowed: frozen"
    last = site.ledger.last_change(model)
    key = f"limit-{model}-{last.seq if last else 0}"
    locks.freeze(site, model, LIMIT, LockRequest(key, reason=text))
    site.tell("CRIT", "limit", model, f"{text}. Look what repeats, then cdml thaw {model}")
    incidents.opened(site, model, text)
