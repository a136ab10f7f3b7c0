"""What the engine shows to Prometheus: gathered when it is asked for, from ledger and store.

Nothing is measured here. Of the store only the newest look and the counts of runs are read, and
only when the store has changed since.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from threading import Lock

from engine.clock import parse_time
from engine.domain.alerts import RULES, State
from engine.domain.roles import Roles
from engine.errors import CdmlError
from engine.pipeline import alerts, drifting, workspace_figures
from engine.pipeline.realised import SERVED
from engine.pipeline.site import Site
from engine.pipeline.way_back import plan
from engine.store import looks, runs, scores
from engine.store.looks import Looked
from engine.store.runs import Ended
from engine.store.scores import Score
from engine.telemetry.engine_metrics import JOB_BUCKETS, ModelFigures, Shown, WorkspaceFigures, text
from engine.telemetry.families import Durations
from engine.telemetry.stalls import Stalls
from engine.wire import DriftColumn, NotifyRow, ScheduleRow

MAX_COLUMNS = 30
OTHERS = "(others)"
METHODS = ("psi", "js", "ks", "wasserstein_normed")
NEXT = "+1"
# What has not happened is known to be 0: a count that rose from nothing would look like none.
CAUSES = ("human", "guardrail", "engine")
OUTCOMES = ("done", "failed", "killed", "timed_out")
# A slice is one of any number of values: too many to be shown each by itself.
_DRIFTS = (drifting.KIND, "score drift", drifting.LABEL_KIND)


class Figures:
    """Gathers for one scrape after the other, and remembers what cannot have changed.

    Schedules and targets are asked of those who keep them.
    """

    def __init__(
        self,
        site: Site,
        stalls: Stalls,
        schedules: Callable[[], Sequence[ScheduleRow]] = list,
        targets: Callable[[], Sequence[NotifyRow]] = list,
    ) -> None:
        self._site = site
        self._stalls = stalls
        self._schedules = schedules
        self._targets = targets
        self._asking = Lock()
        self._rolled_back: Counter[tuple[str, str]] = Counter()
        self._audited = 0
        self._ended: list[Ended] = []
        self._counted = -1
        self._looks: dict[str, tuple[Looked, list[Score]]] = {}

    def text(self) -> bytes:
        """Return what is known now in the text format of Prometheus."""
        with self._asking:
            return text(self._gathered(), self._whole())

    def shown(self) -> Shown:
        """Return what is known now, family by family."""
        with self._asking:
            return Shown(self._gathered(), self._whole())

    def _whole(self) -> WorkspaceFigures:
        return workspace_figures.gathered(self._site, self._targets(), self._stalls.stood())

    def _gathered(self) -> dict[str, ModelFigures]:
        site = self._site
        self._audited, fresh = site.ledger.rollbacks.since(self._audited)
        self._rolled_back.update(fresh)
        changes = site.store.changes
        try:
            if changes != self._counted:
                self._ended = runs.ended(site.store, JOB_BUCKETS)
                for model in site.settings.models:
                    self._look(model)
                self._counted = changes
        except CdmlError:
            # The store is broken: what it last said is not known to be so now.
            self._ended, self._looks, self._counted = [], {}, -1
        generations, due = site.ledger.generations(), self._due()
        return {
            model: self._of(model, generations.get(model), due.get(model, {}))
            for model in site.settings.models
        }

    def _due(self) -> dict[str, dict[str, float]]:
        """Return when each job of a model is due next; not what a lock lets wait."""
        found: dict[str, dict[str, float]] = {}
        if not self._site.clock.simulated:
            for row in self._schedules():
                if row.next_due and not row.note:
                    found.setdefault(row.model, {})[row.job] = unix(row.next_due)
        return found

    def _look(self, model: str) -> None:
        """Read the newest look, unless it is known; one that is just being stored has nothing."""
        newest = looks.newest(self._site.store, model)
        known = self._looks.get(model)
        if newest is not None and (known is None or known[0] != newest):
            found = scores.of_look(self._site.store, model, newest.at)
            if found:
                self._looks[model] = (newest, found)

    def _of(self, model: str, generation: int | None, due: Mapping[str, float]) -> ModelFigures:
        site = self._site
        roles = site.ledger.roles(model)
        look, found = self._looks.get(model, (None, []))
        looked = look.at.timestamp() if look and not site.clock.simulated else None
        ended = [e for e in self._ended if e.model == model]
        ready = plan(site, model).ready if roles.champion and model in site.ready else None
        return ModelFigures(
            generation,
            ready,
            looked,
            {c: self._rolled_back[model, c] for c in CAUSES} if generation is not None else {},
            _firing(site, model, roles, looked=bool(found)),
            list(_drift([s for s in found if s.version == roles.champion])),
            list(_performance(found, roles)),
            [
                (s.version, s.name, s.value)
                for s in found
                if s.kind == "kpi" and s.value is not None
            ],
            {(e.job, o): 0 for e in ended for o in OUTCOMES}
            | {(e.job, e.outcome): e.n for e in ended},
            _took(ended),
            due,
        )


def unix(text: str) -> float:
    """Return a moment as Unix time."""
    return parse_time(text).timestamp()


def _firing(site: Site, model: str, roles: Roles, *, looked: bool) -> dict[str, int]:
    """Count what fires by kind; a kind that was looked at and does not fire is a known 0.

    Files set aside and attacks are alerts without any look.
    """
    now = site.clock.now()
    stands = [a for a in alerts.standing(site, model) if a.version == roles.champion]
    counted = Counter(a.finding.kind for a in stands if a.state(now) is State.FIRING)
    return {kind: counted[kind] for kind in RULES} if looked else dict(counted)


def _drift(found: Sequence[Score]) -> Iterator[tuple[str, str, float]]:
    """Yield the most damaging columns, and of all others the worst value of each method."""
    columns = drifting.columns_of([s for s in found if s.kind in _DRIFTS])
    columns.sort(key=lambda c: (-(c.damage or -1.0), -(c.psi or -1.0), c.part, c.column))
    others: dict[str, float] = {}
    for place, column in enumerate(columns):
        for method in METHODS:
            value: float | None = getattr(column, method)
            if value is None:
                continue
            if place < MAX_COLUMNS:
                yield _named(column), method, value
            else:
                others[method] = max(value, others.get(method, value))
    yield from ((OTHERS, method, value) for method, value in others.items())


def _named(column: DriftColumn) -> str:
    return column.column if column.part == "feature" else f"({column.part}) {column.column}"


def _performance(found: Sequence[Score], roles: Roles) -> Iterator[tuple[str, str, str, float]]:
    """Yield metrics of answers as served and of versions that still have a role."""
    for s in found:
        if s.value is None:
            continue
        if s.kind == "forecast" and s.version == NEXT:
            yield SERVED, s.name, s.kind, s.value
        elif s.kind in ("realised", "estimated") and (
            s.version == SERVED or s.version in roles.loaded()
        ):
            yield s.version, s.name, s.kind, s.value


def _took(ended: Sequence[Ended]) -> dict[str, Durations]:
    by_job: dict[str, list[Ended]] = {}
    for e in ended:
        by_job.setdefault(e.job, []).append(e)
    return {
        job: Durations(
            [sum(n) for n in zip(*(e.upto for e in those), strict=True)],
            sum(e.seconds for e in those),
        )
        for job, those in by_job.items()
    }
