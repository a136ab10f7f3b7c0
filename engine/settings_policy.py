"""The policies of a model that stand by themselves: what its gate asks for, how it is watched."""

from collections.abc import Mapping
from typing import Annotated

import msgspec

from engine.errors import InvalidError
from engine.settings_file import Document
from engine.settings_rules import RECIPES, between, positive, recipe, says, wrong

Param = bool | int | float | str


class RecipeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A recipe with parameters, by a name that models share."""

    of: Annotated[str, says('What it is made of: a built-in recipe or "package.module:function".')]
    params: Annotated[
        dict[str, Param], says("Parameters of the estimator, of a pipeline's last step.")
    ] = {}
    options: Annotated[
        dict[str, list[Param]],
        says("Parameters with several values; every combination is a candidate of its own."),
    ] = {}

    def __post_init__(self) -> None:
        recipe("of", self.of)
        for name in sorted(self.params.keys() & self.options.keys()):
            wrong("options", f'"{name}" is in params already. Keep one of them.')
        for name, values in self.options.items():
            if not values:
                wrong("options", f'"{name}" has no value. Write a list like [15, 31].')


def check_recipes(
    document: Document,
    named: Mapping[str, RecipeSettings],
    asked: Mapping[tuple[str, ...], list[str]],
) -> None:
    """Refuse a recipe that is neither built in, nor named, nor of the user's own."""
    for name in named:
        if name in RECIPES:
            document.fail(("recipes", name), "it is the name of a built-in recipe. Take another.")
    for where, names in asked.items():
        for name in names:
            try:
                recipe(where[-1], name, named)
            except InvalidError as e:
                document.fail(("models", *where), e.message, code=e.code)


class GateSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a version must show on rows newer than its training and the champion's."""

    non_inferiority: Annotated[
        float, says("How much worse than the champion is still as good, in the metric's unit.")
    ] = 0.01
    holdout: Annotated[str, says("The newest rows, kept from training and judged on.")] = "14d"
    renewal: Annotated[
        bool,
        says(
            "The champion's recipe on newer rows passes unless it is surely worse; then a shadow."
        ),
    ] = False
    refit: Annotated[
        bool, says("Bring in what passed as fitted again on all mature rows, the hold-out too.")
    ] = False
    slices: Annotated[
        list[str], says("Columns whose values are also judged one by one, live too.")
    ] = []
    floor: Annotated[
        float | None, says("The worst value that the metric itself may have; absent: no floor.")
    ] = None
    stale: Annotated[
        str | None,
        says("A champion whose training rows are older may be replaced by one as good."),
    ] = None
    calibration: Annotated[
        float | None, says("The most that answered probabilities may be off, 0 to 1, on average.")
    ] = None
    group: Annotated[
        str | None, says("Rows that agree in this column are drawn as one; absent: rows of a day.")
    ] = None

    def __post_init__(self) -> None:
        if self.non_inferiority < 0:
            wrong("non_inferiority", f"found {self.non_inferiority}; it cannot be negative.")
        positive("holdout", self.holdout)
        if self.stale is not None:
            positive("stale", self.stale)
        if self.calibration is not None:
            between("calibration", self.calibration, 0.0, 1.0)


class MonitorSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How often, over which window the champion is watched, and what counts as a breach."""

    every: Annotated[str, says("Watch this often.")] = "1d"
    window: Annotated[str, says("The rows looked at, back from now.")] = "7d"
    drift_limit: Annotated[
        float, says("A column's PSI beyond this, where it is no chance, is a breach.")
    ] = 0.2
    false_alarms: Annotated[
        float, says("The drift alarms a year that may be false, over all columns and looks.")
    ] = 0.05
    horizon: Annotated[int, says("Forecast this many windows ahead.")] = 4
    metric_limit: Annotated[
        float | None,
        says("The realised metric beyond this, in all or surely in a slice, is a breach."),
    ] = None

    def __post_init__(self) -> None:
        positive("every", self.every)
        positive("window", self.window)
        between("horizon", self.horizon, 1, 26)
        if self.drift_limit <= 0:
            wrong("drift_limit", f"found {self.drift_limit}; it must be above 0, like 0.2.")
        if not 0.0 < self.false_alarms < 1.0:
            wrong("false_alarms", f"found {self.false_alarms}; it must lie between 0 and 1.")
