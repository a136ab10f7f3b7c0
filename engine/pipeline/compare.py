"""Two versions of a person's choice, measured on the same rows; nothing is judged or changed."""

from typing import Any

from engine.clock import iso
from engine.errors import InvalidError, RefusedError
from engine.pipeline import train, validate
from engine.pipeline.measurement import Comparison, Differences, ValidateResult
from engine.pipeline.scoring import ValidateInputs
from engine.pipeline.site import Site
from engine.stats import mcnemar, performance
from engine.wire import Check, CompareAnswer

FEWEST_ROWS = 100
FEWEST_BLOCKS = 2


def gather(site: Site, model: str, a: str, b: str) -> ValidateInputs:
    """Gather what is measured: b as a candidate would be, with a in the champion's place."""
    site.model(model)
    if a == b:
        raise InvalidError(
            f"Comparing {a} of {model} with itself: the difference would be nothing. Name two.",
            code="self_comparison",
            field="b",
        )
    found = {"candidate": site.ledger.version(model, b), "champion": site.ledger.version(model, a)}
    for version in found.values():
        if not version.manifest or version.trained_to is None:
            raise RefusedError(
                f"Comparing {a} and {b} of {model}: {version.version} is {version.fitness} and has "
                "nothing to answer with. Name another version: cdml versions.",
                code="not_loadable",
            )
    return validate.inputs_of(site, model, found)


def answer(
    site: Site, model: str, a: str, b: str, inputs: ValidateInputs, found: ValidateResult
) -> CompareAnswer:
    """Put what was measured into lines; positive means that b is better."""
    values: dict[str, float | None] = {a: None, b: found.value}
    if one := found.against.get("champion"):
        values[a] = one.other
    return CompareAnswer(
        model=model,
        a=a,
        b=b,
        metric=inputs.metric,
        higher_is_better=performance.metric_named(inputs.metric).higher_is_better,
        since=inputs.since,
        until=inputs.until,
        n=found.n,
        blocks=found.blocks,
        block=found.block,
        values=values,
        lines=_lines(a, b, inputs, found) if found.n else [],
        missing=_missing(site, model, a, b, inputs, found),
    )


def _lines(a: str, b: str, inputs: ValidateInputs, found: ValidateResult) -> list[Check]:
    both = f"{_num(found.value)} against {_num(found.against['champion'].other)}"
    lines = [_line(inputs.metric, inputs.metric, found.against["champion"], both)]
    lines += [
        Check(
            s.name, "observed", None, inputs.metric, s.value,
            s.value - 1.96 * s.se, s.value + 1.96 * s.se, s.n,
        )
        for s in found.slices
    ]  # fmt: skip
    if inputs.kpi is not None and found.kpi_kept is not None:
        names = {"candidate": b, "champion": a}
        said = ", ".join(f"{names.get(k, k)} {_num(v)}" for k, v in found.kpi.items())
        lines.append(_line(inputs.kpi.name, inputs.kpi.unit, found.kpi_kept, said))
    if found.calibration_gain is not None and found.calibration is not None:
        said = f"{_num(found.calibration.value)} against {_num(found.calibration_gain.other)}"
        lines.append(_line("calibration error", "probability", found.calibration_gain, said))
    if (apart := found.differences) is not None:
        lines += _apart(a, b, apart, found.n)
    return lines


def _apart(a: str, b: str, apart: Differences, n: int) -> list[Check]:
    """Say how far answers lie apart, and whether one version decides right more often."""
    told: dict[str, tuple[float | None, int]] = {
        "mean difference of answers": (apart.mean, n),
        "largest difference of answers": (apart.largest, n),
        "share of decisions that change": (apart.changed, n),
    }
    if apart.right is not None:
        only_b, only_a = apart.right
        told[f"rows that only {b} decides right"] = only_b, n
        told[f"rows that only {a} decides right"] = only_a, n
        told["p of as much by chance (McNemar)"] = mcnemar.p_value(only_b, only_a), only_a + only_b
    shown = {k: v for k, v in told.items() if v[0] is not None}
    return [Check(k, "observed", None, "", v, n=rows) for k, (v, rows) in shown.items()]


def _line(name: str, unit: str, one: Comparison, text: str) -> Check:
    return Check(name, "observed", None, unit, one.value, one.low, one.high, one.n, text=text)


def _missing(
    site: Site, model: str, a: str, b: str, inputs: ValidateInputs, found: ValidateResult
) -> str:
    """Say why there are too few rows to tell the versions apart, and what would help."""
    if found.n >= FEWEST_ROWS and found.blocks >= FEWEST_BLOCKS:
        return ""
    mature = iso(train.cut(site, model).mature)
    when = f"with a mature label are newer than what {a} and {b} were trained on"
    if found.n < FEWEST_ROWS:
        return (
            f"{found.n} rows {when} (after {inputs.since[:16]}Z; labels are mature up to "
            f"{mature[:16]}Z), at least {FEWEST_ROWS} are needed. Wait for more, or deliver labels."
        )
    return (
        f"the {found.n} rows that {when} lie in {found.blocks} of the {found.block} that are drawn "
        f"as one, at least {FEWEST_BLOCKS} are needed for an interval. Wait for more."
    )


def _num(value: Any) -> str:
    return "--" if value is None else f"{value:.4f}"
