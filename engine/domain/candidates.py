"""Which of two candidates is simpler, which one is preferred, and what a search in halves costs."""

# Built-in recipes from plain to intricate; what a user brought is taken to be the least known.
_ORDER = ("baseline", "linear", "hist_gradient_boosting", "random_forest")


def complexity(recipe: str) -> int:
    """Return the rank of a recipe; the lower is the simpler."""
    return _ORDER.index(recipe) if recipe in _ORDER else len(_ORDER)


def halving_fits(count: int, keep: int, rungs: int) -> int:
    """Return how many fits it takes to halve `count` candidates: 1 of `keep` goes on, each rung."""
    fits = 0
    for _ in range(rungs):
        fits += count
        count = -(-count // keep)
    return fits


def said(best: str, simplest: str | None, noise: float | None) -> str:
    """Say which candidates go to the gate and why."""
    spread = "" if noise is None else f", noise of seeds {noise:.2g}"
    if simplest is None:
        return f"{best} was the best out of time{spread}"
    return (
        f"{best} was the best out of time; {simplest} is simpler and within noise of it, so it is "
        f"preferred if it passes{spread}"
    )


def prefers_simplest(
    simplest: float | None, best: float | None, noise: float | None, *, higher_is_better: bool
) -> bool:
    """Say whether the simplest is as good as the best at the gate, by no more than the noise."""
    if simplest is None or best is None:
        return False
    loss = best - simplest if higher_is_better else simplest - best
    return loss <= (noise or 0.0)
