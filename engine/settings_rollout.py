"""How a version that passed its gate is brought in, and what proves it: the keys of a rollout."""

from typing import Annotated, Literal

import msgspec

from engine.quantities import duration
from engine.settings_rules import between, read, says, wrong


class ShadowSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How many rows with mature labels a shadow must be compared on."""

    rows: Annotated[int, says("Labelled rows a shadow is compared on; 0 leaves it out.")] = 500

    def __post_init__(self) -> None:
        between("rows", self.rows, 0, 100_000_000)


class ProvenSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """What a champion must have seen without a breach to be proven."""

    hours: Annotated[float, says("Hours in service.")] = 24.0
    requests: Annotated[int, says("Requests answered.")] = 500
    labels: Annotated[int, says("Labels joined.")] = 200

    def __post_init__(self) -> None:
        for key, value in (("hours", self.hours), ("requests", self.requests)):
            between(key, value, 0, 100_000_000)
        between("labels", self.labels, 0, 100_000_000)


class RolloutSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How a version that passed its gate is brought in, and what stops it."""

    mode: Annotated[
        Literal["automatic", "approve", "manual"],
        says("Who steps up and promotes: the engine, the engine after a person's yes, a person."),
    ] = "automatic"
    unit: Annotated[
        str, says('What keeps its version in a canary: "client", "id" or a feature.')
    ] = "client"
    shadow: Annotated[ShadowSettings, says("The comparison before any answer is used.")] = (
        ShadowSettings()
    )
    canary: Annotated[list[float], says("Steps in percent of the answers, 1 to 99, rising.")] = []
    step_rows: Annotated[int, says("Rows a canary must answer at each step.")] = 500
    warm_up: Annotated[str, says("The first of each step, counted for neither arm.")] = "1m"
    slow_ms: Annotated[float, says("An answer that takes longer counts as slow.")] = 100.0
    observe: Annotated[
        list[Literal["errors", "latency", "quality"]],
        says("Guardrails that are recorded and shown but stop nothing and ask for nothing."),
    ] = []
    alpha: Annotated[float, says("False alarms allowed, shared among all guardrails.")] = 0.05
    auto_rollback: Annotated[
        bool, says("Roll back by itself while the champion is baking and fails its clients.")
    ] = True
    error_limit: Annotated[
        float, says("A baking champion that surely fails or refuses more than this is rolled back.")
    ] = 0.02
    actions_per_day: Annotated[
        int, says("Automatic canary steps, promotions, aborts and rollbacks; then a freeze.")
    ] = 6
    proven: Annotated[ProvenSettings, says("When a champion counts as proven.")] = ProvenSettings()

    def __post_init__(self) -> None:
        if any(not 1 <= step <= 99 for step in self.canary):
            wrong("canary", f"found {self.canary}; every step is 1 to 99 percent.")
        if any(b <= a for a, b in zip(self.canary, self.canary[1:], strict=False)):
            wrong("canary", f"found {self.canary}; the steps must rise, like [10, 50].")
        between("step_rows", self.step_rows, 1, 100_000_000)
        read("warm_up", duration, self.warm_up)
        if self.slow_ms <= 0:
            wrong("slow_ms", f"found {self.slow_ms}; it must be above 0, like 100.")
        for key, share in (("alpha", self.alpha), ("error_limit", self.error_limit)):
            if not 0 < share < 1:
                wrong(key, f"found {share}; it must lie between 0 and 1, like 0.05.")
        if self.actions_per_day <= len(self.canary):
            wrong(
                "actions_per_day",
                f"found {self.actions_per_day}; {len(self.canary)} canary steps and the promotion "
                "are more. Raise it, or take fewer steps.",
            )
        if not self.unit.strip():
            wrong("unit", 'it is empty. Write "client", "id" or a feature\'s name.')
