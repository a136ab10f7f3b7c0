"""What a training job is handed, what it chooses among, and what it leaves."""

from typing import Any

import msgspec

from engine.artifacts import Manifest
from engine.pipeline.references import Parts
from engine.store.snapshots import Table
from engine.transform.sealed import Source

MIN_ROWS = 200
ESTIMATOR = "estimator.skops"
SAFE_MODE = "safe_mode.skops"
SIMPLEST = "simplest_"
REFIT = "refit_"
BUILT_IN = ("hist_gradient_boosting", "random_forest", "linear", "baseline")


class Kpi(msgspec.Struct, frozen=True):
    """The business number that a decision threshold is chosen for."""

    name: str
    sql: str
    direction: str
    unit: str


class Recipe(msgspec.Struct, frozen=True):
    """A recipe ready to be made: its name, what it is made of, and its parameters."""

    name: str
    of: str
    params: dict[str, Any] = {}


class Candidate(msgspec.Struct, frozen=True):
    """A recipe on a window; `again` names the version whose recipe is tried on newer rows."""

    recipe: Recipe
    window: str
    again: str | None = None

    @property
    def said(self) -> str:
        """Return the candidate in words."""
        params = ", ".join(f"{k} {v}" for k, v in self.recipe.params.items())
        own = f" ({params})" if params else ""
        return f"{self.recipe.name}{own} on {self.window}"


class TrainInputs(msgspec.Struct, frozen=True):
    """What a training job is handed. Rows are known by `known_by`, of events before `until`.

    `newer_than` is what the champion has seen: some rows must lie after it. `recipes` compete with
    `recipe`; `named` says what stands behind names. `budget` is in fits or seconds. What is chosen
    is fitted once more on the rows up to `refit_until`.
    """

    model: str
    run: str
    task: str
    recipe: str
    metric: str
    windows: list[str]
    seeds: int
    seed: int
    table: Table
    types: dict[str, str]
    until: str
    known_by: str
    newer_than: str | None
    holdout_days: float
    batches: list[str]
    kpi: Kpi | None
    created_at: str
    root: str
    group: str | None = None
    slices: list[str] = []
    recipes: list[str] = []
    named: dict[str, list[Recipe]] = {}
    again: list[Candidate] = []
    search: str = "random"
    fits: int | None = None
    seconds: float | None = None
    calibration: list[str] = []
    parent: str | None = None
    refit_until: str | None = None
    transform: Source | None = None


class Inner(msgspec.Struct, frozen=True):
    """How the chosen recipe did out of time, inside the training rows; the better is positive.

    `gain_low` and `gain_high` bound its improvement over answering the base rate; `measured` are
    its other metrics, and the KPI at its threshold.
    """

    holdout_from: str
    holdout_to: str
    n: int
    value: float | None
    low: float | None
    high: float | None
    prior: float | None
    gain: float | None
    gain_low: float | None
    gain_high: float | None
    needed: int | None
    measured: dict[str, float | None] = {}


class Trial(msgspec.Struct, frozen=True):
    """One fit of the search: on how many rows, and what it scored out of time, or why not."""

    candidate: str
    number: int
    rows: int
    value: float | None
    error: str | None = None


class Search(msgspec.Struct, frozen=True):
    """How the candidate was found: all were tried, or some by chance, or in halves."""

    method: str
    candidates: int
    drawn: int
    trials: list[Trial]
    chosen: str


class Origin(msgspec.Struct, frozen=True):
    """What a version was made of, enough to make it again; kept in its manifest.

    `inputs` are those of its job without the places of files. `source` is the digest of a recipe
    of the user's own. `judged` is the artifact of the version that a gate judges in its place.
    """

    inputs: TrainInputs
    candidate: Candidate
    calibration: str | None
    environment: dict[str, str]
    source: str | None
    search: Search
    judged: str | None = None


class Agreement(msgspec.Struct, frozen=True):
    """How far the answers of a refit lie from those of the version that is judged in its place.

    `moved` is the mean distance, `spread` the mean distance of the latter from their own mean.
    `changed` is the share of other decisions, None without classes.
    """

    n: int
    moved: float
    spread: float
    changed: float | None


class TrainResult(msgspec.Struct, frozen=True):
    """What a training job leaves beside its estimator.skops and its safe_mode.skops.

    `simple` is the baseline on the same rows, the last way back; `shared` is frozen with both.
    `simplest` is of the simplest candidate within noise of the best, where that is another one.
    `refit` is the same made of all mature rows; `agreement` with this one is on the rows that this
    one has not seen, and on its probe rows.
    """

    manifest: Manifest
    simple: Manifest
    profiles: dict[str, str]
    inner: Inner
    fits: int
    note: str
    parts: Parts = {}
    shared: Parts = {}
    simplest: "TrainResult | None" = None
    refit: "TrainResult | None" = None
    agreement: dict[str, Agreement] = {}


def origin_of(manifest: Manifest) -> Origin | None:
    """Return what a version was made of; None for one of before this was kept."""
    return msgspec.convert(manifest.origin, Origin) if manifest.origin else None
