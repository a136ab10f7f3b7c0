"""The workspace as it stood at a moment: what the same panes would have shown then."""

# ruff: noqa: ARG002 - whatever a forgotten prediction service is asked, it knows nothing

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

from engine.clock import ReplayClock, iso
from engine.errors import RefusedError, UnavailableError
from engine.pipeline.overview import model_then
from engine.pipeline.site import Site
from engine.store import runs
from engine.store.past import PastStore
from engine.wire import JobRow, ModelState, Plan

RUNS_SHOWN = 200


class Unheard:
    """A prediction service of which nothing is known any more."""

    def sync(self, model: str | None = None) -> Mapping[str, int]:
        return {}

    def probe(self, model: str, version: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        raise UnavailableError(
            f"Asking {version} of {model}: this is a past moment. Return to the present first.",
            code="past",
        )

    def loaded(self, model: str) -> Sequence[str]:
        return ()

    def p95_ms(self, model: str) -> Mapping[str, float]:
        return {}

    def memory(self, model: str) -> Mapping[str, int]:
        return {}

    def tallies(self, model: str) -> Mapping[str, tuple[int, int]]:
        return {}

    def refusals(self, model: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
        return {}, {}


def site_then(site: Site, moment: datetime) -> Site:
    """Return the site as it stood at a moment; RefusedError for one that is still to come."""
    now = site.clock.now()
    if moment > now:
        raise RefusedError(
            f"Looking at {iso(moment)}: that is after now, {iso(now)}. Ask for an earlier moment.",
            code="not_past",
            field="at",
        )
    return replace(
        site,
        ledger=site.ledger.as_of(moment),
        store=PastStore(site.store, moment),
        clock=ReplayClock(moment),
        serving=Unheard(),
        ready={},
        watched={},
    )


def model_states(then: Site) -> list[ModelState]:
    """Return every model as it stood; what a key would have done is not known any more."""
    known = then.ledger.models()
    why = "this is a past moment; return to the present to act"
    return [
        model_then(then, name, Plan("rollback", False, why, None, None))
        for name in then.settings.models
        if name in known
    ]


def run_rows(then: Site) -> list[JobRow]:
    """Return the runs that had been asked for by then, newest first."""
    return runs.newest(then.store, RUNS_SHOWN)
