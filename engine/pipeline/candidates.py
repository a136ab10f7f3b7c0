"""The search, inside a job: candidates fitted before the inner hold-out and compared on it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import product
from typing import Any

import msgspec
import numpy as np

from engine.domain import candidates
from engine.errors import InvalidError
from engine.pipeline import features, recipes, windows
from engine.pipeline.cohort import Rows
from engine.pipeline.training import Candidate, Recipe, Search, TrainInputs, Trial
from engine.stats import encoding, performance

Progress = Callable[[float, str], None]
Fitted = tuple[Any, Any]
HALVES = 3  # of three candidates one goes on, with three times the rows
RUNGS = 3


@dataclass(frozen=True, slots=True)
class Tried:
    """A candidate, its schema and estimator fitted without the inner hold-out, what it answers."""

    candidate: Candidate
    fitted: Fitted
    answers: Any
    loss: float


@dataclass(frozen=True, slots=True)
class Found:
    """The best candidate, the simplest within the noise of its seeds, and how they were found."""

    best: Tried
    simplest: Tried | None
    noise: float | None
    fits: int
    search: Search


def listed(inputs: TrainInputs) -> list[Candidate]:
    """Return every candidate once: all recipes on all windows, then what is tried again."""
    made = [Candidate(r, w) for name, w in _names(inputs) for r in _recipes(inputs, name)]
    known = {_key(c) for c in made}
    return made + [c for c in inputs.again if _key(c) not in known]


def _names(inputs: TrainInputs) -> list[tuple[str, str]]:
    return list(product(dict.fromkeys([inputs.recipe, *inputs.recipes]), inputs.windows))


def _recipes(inputs: TrainInputs, name: str) -> list[Recipe]:
    return inputs.named.get(name) or [Recipe(name, name)]


def _key(candidate: Candidate) -> bytes:
    recipe = candidate.recipe
    return msgspec.json.encode((recipe.of, recipe.params, candidate.window), order="sorted")


@dataclass(slots=True)
class _Bench:
    """The rows of a search, and every fit on them."""

    inputs: TrainInputs
    classes: list[str]
    before: Rows
    held: Rows
    progress: Progress
    expected: int
    trials: list[Trial] = field(default_factory=list)

    def tried(self, candidate: Candidate, number: int = 0, part: int = 1) -> Tried | None:
        """Fit a candidate, on each `part`-th row; None where it cannot be measured."""
        start = float(self.held.days[0])
        rows = self.before.between(windows.since(candidate.window, start), start)
        rows = rows.where(slice(None, None, part)) if part > 1 else rows
        try:
            made = fitted(self.inputs, candidate.recipe, self.classes, rows, number)
            matrix = encoding.matrix(made[0], self.held.table)
            found = answers(self.inputs, made[1], matrix, candidate.recipe)
        except InvalidError as e:
            # What is listed must work; what is only tried again may no longer.
            if candidate.again is None:
                raise
            self._note(candidate, number, len(rows.labels), None, e.message)
            return None
        inputs = self.inputs
        value = performance.value(inputs.metric, inputs.task, self.held.labels, found)
        self._note(candidate, number, len(rows.labels), value, None)
        if value is None:
            return None
        higher = performance.metric_named(inputs.metric).higher_is_better
        return Tried(candidate, made, found, -value if higher else value)

    def _note(
        self, of: Candidate, number: int, rows: int, value: float | None, error: str | None
    ) -> None:
        self.trials.append(Trial(of.said, number, rows, value, error))
        share = min(len(self.trials) / max(self.expected, 1), 1.0)
        told = "none" if value is None else f"{value:.6g}"
        said = error or f"{self.inputs.metric} {told}"
        self.progress(
            share,
            f"fit {len(self.trials)} of {self.expected}, {rows} rows: {of.said}, "
            f"seed {number}: {said}",
        )


def search(
    inputs: TrainInputs,
    classes: list[str],
    before: Rows,
    held: Rows,
    progress: Progress,
    elapsed: Callable[[], float],
) -> Found:
    """Fit the candidates that the budget allows, take the best, fit that one by other seeds."""
    began, known = elapsed(), listed(inputs)
    drawn = _drawn(inputs, known)
    halve = inputs.search == "halving" and len(drawn) >= HALVES
    expected = candidates.halving_fits(len(drawn), HALVES, RUNGS) if halve else len(drawn)
    bench = _Bench(inputs, classes, before, held, progress, expected + inputs.seeds - 1)
    usable: list[Tried] = []
    if len(held.labels):
        usable = (_halved if halve else _each)(bench, drawn, lambda: elapsed() - began)
    if not usable:
        raise InvalidError(
            f"Training {inputs.model}: {len(held.labels)} labelled rows lie in the inner hold-out, "
            "too few to choose a window. Deliver more rows, or shorten gate.holdout.",
            code="too_few_rows",
        )
    best = min(usable, key=lambda t: t.loss)
    again = [bench.tried(best.candidate, number) for number in range(1, inputs.seeds)]
    losses = [best.loss, *(t.loss for t in again if t is not None)]
    noise = float(np.std(losses, ddof=1)) if len(losses) > 1 else None
    simplest = _simplest(usable, best, noise)
    method = ("halving" if halve else "random") if expected < len(known) or halve else "all"
    simple = simplest.candidate.said if simplest is not None else None
    chosen = candidates.said(best.candidate.said, simple, noise)
    record = Search(method, len(known), len(drawn), bench.trials, chosen)
    return Found(best, simplest, noise, len(bench.trials), record)


def _drawn(inputs: TrainInputs, known: list[Candidate]) -> list[Candidate]:
    """Return the candidates that the budget allows, the first one always, by chance of the seed."""
    if inputs.fits is None:
        return known
    allowed = max(inputs.fits - (inputs.seeds - 1), 1)
    if inputs.search == "halving":
        sizes = range(1, len(known) + 1)
        allowed = max(
            [n for n in sizes if candidates.halving_fits(n, HALVES, RUNGS) <= allowed], default=1
        )
    if allowed >= len(known):
        return known
    order = np.random.default_rng([inputs.seed, 7]).permutation(len(known) - 1) + 1
    return [known[at] for at in [0, *sorted(order[: allowed - 1].tolist())]]


def _each(bench: _Bench, drawn: list[Candidate], elapsed: Callable[[], float]) -> list[Tried]:
    found: list[Tried] = []
    for candidate in drawn:
        if found and _over(bench.inputs, elapsed):
            break
        tried = bench.tried(candidate)
        found += [tried] if tried is not None else []
    return found


def _halved(bench: _Bench, drawn: list[Candidate], elapsed: Callable[[], float]) -> list[Tried]:
    """Try all on few rows, the better third on three times as many, until some have had all."""
    left = drawn
    for rung in reversed(range(RUNGS)):
        found: list[Tried] = []
        for candidate in left:
            if found and _over(bench.inputs, elapsed):
                break
            tried = bench.tried(candidate, part=HALVES**rung)
            found += [tried] if tried is not None else []
        found.sort(key=lambda t: t.loss)
        if not rung or not found:
            return found
        left = [t.candidate for t in found[: -(-len(left) // HALVES)]]
    return []


def _over(inputs: TrainInputs, elapsed: Callable[[], float]) -> bool:
    return inputs.seconds is not None and elapsed() >= inputs.seconds


def _simplest(usable: list[Tried], best: Tried, noise: float | None) -> Tried | None:
    """Return the simplest candidate within noise of the best, where it is simpler than that."""
    if noise is None:
        return None
    simple = [t for t in usable if t.loss <= best.loss + noise]
    found = min(simple, key=lambda t: (candidates.complexity(t.candidate.recipe.of), t.loss))
    simpler = candidates.complexity(found.candidate.recipe.of)
    return found if simpler < candidates.complexity(best.candidate.recipe.of) else None


def fitted(
    inputs: TrainInputs, recipe: Recipe, classes: list[str], rows: Rows, number: int
) -> Fitted:
    """Return schema and fitted estimator; the seed of fit `number` comes from the run's."""
    schema = features.schema(features.contract(inputs.types, rows.table))
    seed = int(np.random.SeedSequence([inputs.seed, number]).generate_state(1)[0] % 2**31)
    labels = rows.labels if inputs.task == "regression" else rows.labels.astype(int)
    if inputs.task != "regression" and len(np.unique(labels)) < len(classes):
        seen = len(np.unique(labels))
        raise InvalidError(
            f"Training {inputs.model}: only {seen} of {len(classes)} classes occur among "
            f"{len(labels)} rows of a window. Use a longer window.",
            code="missing_class",
        )
    places = encoding.categorical_places(schema)
    made = recipes.estimator(recipe, inputs.task, inputs.metric, places, seed)
    return schema, recipes.fit(recipe, made, encoding.matrix(schema, rows.table), labels)


def answers(inputs: TrainInputs, estimator: Any, matrix: Any, recipe: Recipe) -> Any:
    """Return what an estimator answers, a row each, as `Loaded.answers` does."""
    found = recipes.answers(recipe, estimator, inputs.task, matrix)
    return found[:, 1:2] if inputs.task == "binary" else found
