"""`cdml check`: says in plain words what cdml.toml will do; `--keys` lists every key there is."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin, get_type_hints

import msgspec

from engine import tokens
from engine.exits import Arguments, guarded
from engine.settings import (
    METRICS,
    ModelSettings,
    RolloutSettings,
    Settings,
    TrainSettings,
    duration,
    load,
)
from engine.settings_file import type_text
from engine.store.kpis import check_all
from engine.workspace import Workspace


class Key(msgspec.Struct, frozen=True):
    """One key of cdml.toml as `cdml check --keys` shows it."""

    key: str
    type: str
    default: str
    text: str


def main(argv: list[str]) -> int:
    """Run `cdml check` and return its exit code."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    parser = Arguments(prog="cdml check", description="Check cdml.toml and print what it will do.")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("--keys", action="store_true", help="list every key of cdml.toml")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    if given.keys:
        rows = keys()
        _write(msgspec.json.encode(rows).decode() if given.json else _keys_text(rows))
        return 0
    workspace = Workspace(Path(given.workspace)).require()
    settings = load(workspace.config)
    check_all(settings)
    transforms = _transforms(workspace, settings)
    tokens.check_reach(workspace.tokens, settings.serving.listen)
    if given.json:
        answer = {
            "ok": True,
            "path": str(workspace.config),
            "settings": settings,
            "plan": {name: plan(model) for name, model in settings.models.items()},
            "transforms": transforms,
        }
        _write(msgspec.json.encode(answer).decode())
    else:
        _write("\n".join(_text(str(workspace.config), settings, transforms)))
    return 0


def _transforms(workspace: Workspace, settings: Settings) -> dict[str, str]:
    """Try each transformation; return on what, by model."""
    if all(model.transform is None for model in settings.models.values()):
        return {}
    from engine.pipeline import transform_check  # what it needs takes longer than all the rest

    return transform_check.tried(workspace, settings)


def _text(path: str, settings: Settings, transforms: Mapping[str, str]) -> list[str]:
    lines = [
        f"{path} is valid.",
        f"workspace {settings.workspace.name}, naive times are {settings.workspace.timezone}",
        f"predictions are answered at http://{settings.serving.listen}",
    ]
    if not settings.models:
        lines.append("no model is configured: add a table [models.NAME]")
    for name, model in settings.models.items():
        lines += ["", f"model {name}", *(f"  {line}" for line in plan(model))]
        if name in transforms:
            lines.append(f"  transforms rows by {transforms[name]}")
    return lines


def plan(model: ModelSettings) -> list[str]:
    """Say in plain words what is trained when and on what, judged how, brought in and watched."""
    better = "higher" if METRICS[model.metric][1] else "lower"
    maturity = f"{model.label_maturity} after its time"
    columns = f'predicts "{model.target}" ({model.task}), rows ordered by "{model.time}"'
    columns += f', known at "{model.label_time}"' if model.label_time else ""
    columns += f', joined by "{model.id}"' if model.id else ""
    lines = [
        columns,
        f"never features: {', '.join(model.exclude) or 'none besides the columns above'}",
        f"decides by {model.metric}, {better} is better; a row counts as evidence "
        + (maturity if duration(model.label_maturity) else "at once"),
        *_source(model),
        _training(model),
        _gate(model),
        _rollout(model),
    ]
    for name, kpi in model.kpi.items():
        limit = f", limit {kpi.limit:g}" if kpi.limit is not None else ", no limit"
        unit = f" in {kpi.unit}" if kpi.unit else ""
        lines.append(f"business number {name}{unit}: {kpi.direction} {kpi.sql.strip()}{limit}")
    watch = model.monitor
    limit = f"{watch.metric_limit:g}" if watch.metric_limit is not None else "none"
    lines.append(
        f"watched every {watch.every} over the last {watch.window}; limits: "
        f"drift PSI {watch.drift_limit:g} per column, {model.metric} {limit}"
    )
    if model.policy:
        lines.append(f'what the model itself does not say comes from policy "{model.policy}"')
    return lines


def _source(model: ModelSettings) -> list[str]:
    """Say where rows come from besides the drop folder."""
    source = model.source
    if source is None:
        return []
    if not source.log:
        named = [*source.files.values(), *([source.database] if source.database else [])]
        return [f"asks a query over {', '.join(named) or 'no file'} every {source.every}"]
    acts = "every decision" if source.influences is None else ", ".join(source.influences) or "none"
    said = (
        f"takes in its prediction log with mature labels every {source.every}, unless more than "
        f"{source.influence_limit:.0%} of the outcomes may be its own doing (decisions: {acts})"
    )
    return [said]


def _training(model: ModelSettings) -> str:
    train = model.train
    when = [f"every {train.every}"] if train.every else []
    when += [f'at "{train.cron}"'] if train.cron else []
    when += [f"on {trigger.replace('_', ' ')}" for trigger in train.on]
    windows = " and ".join("all rows" if w == "all" else f"the last {w}" for w in train.windows)
    return (
        f"trains {' and '.join(dict.fromkeys([model.recipe, *train.recipes]))} "
        f"{', '.join(when) or 'only when told to'}, on {windows}{_searched(train)}, "
        f"the best by {train.seeds} seeds; killed after {train.deadline} or beyond {train.memory}"
    )


def _searched(train: TrainSettings) -> str:
    kept = " or ".join(train.calibration)
    corrected = f", its probabilities corrected by {kept} where that surely helps" if kept else ""
    return (f", at most {train.budget} ({train.search})" if train.budget else "") + corrected


def _gate(model: ModelSettings) -> str:
    gate = model.gate
    slices = f", also per {', '.join(gate.slices)}" if gate.slices else ""
    floor = f"; {model.metric} itself no worse than {gate.floor:g}" if gate.floor else ""
    stale = f" or the champion's rows are older than {gate.stale}" if gate.stale else ""
    return (
        f"judges on the newest {gate.holdout}, drawn by {gate.group or 'day'}: at most "
        f"{gate.non_inferiority:g} worse in {model.metric} than the champion{slices}, and better "
        f"unless it drifts{stale}; at most {2 * gate.non_inferiority:g} worse than the last "
        f"version a person promoted; better than every trivial baseline{floor}"
    )


def _rollout(model: ModelSettings) -> str:
    rollout = model.rollout
    who = {
        "automatic": "the engine promotes",
        "approve": "the engine promotes once a person has approved",
        "manual": "a person promotes",
    }[rollout.mode]
    steps = [f"shadow on {rollout.shadow.rows} labelled rows"] if rollout.shadow.rows else []
    if rollout.canary:
        shares = ", ".join(f"{share:g} %" for share in rollout.canary)
        steps.append(f"canary at {shares} by {rollout.unit}, {_hidden(rollout)}")
    proven = rollout.proven
    return (
        f"{who} after {', then '.join(steps) or 'its gate alone'}; proven after "
        f"{proven.hours:g} h, {proven.requests} requests and {proven.labels} labels; "
        f"false alarms {rollout.alpha:g}"
    )


def _hidden(rollout: RolloutSettings) -> str:
    """Say how many rows a rise of errors takes to show at each share."""
    from engine.domain import guardrails
    from engine.stats.sequential import rows_to_detect

    level = guardrails.level(guardrails.ERRORS, rollout.alpha)
    before, after = guardrails.NOTABLE
    rows = [rows_to_detect(share / 100.0, before, after, level) for share in rollout.canary]
    shown = " and ".join(f"{n:,.0f}" for n in rows)
    return f"where errors of {100 * before:g} % -> {100 * after:g} % show after about {shown} rows"


def keys() -> list[Key]:
    """Return every key of cdml.toml, made from the structs that read it."""
    return list(_keys_of(Settings, ""))


def _keys_of(kind: type[msgspec.Struct], path: str) -> list[Key]:
    rows: list[Key] = []
    hints = get_type_hints(kind, include_extras=True)
    for field in msgspec.structs.fields(kind):
        plain, meta = get_args(hints[field.name])[:2]
        named = get_origin(plain) is dict
        tables = [
            k for k in get_args(plain) if isinstance(k, type) and issubclass(k, msgspec.Struct)
        ]
        inner = tables[0] if tables else plain  # a table by a name, or one that may be absent
        where = f"{path}{field.name}" + (".NAME" if tables and named else "")
        if isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            rows += _keys_of(inner, f"{where}.")
        else:
            rows.append(Key(where, _type(plain), _default(field), meta.description))
    return rows


def _type(kind: Any) -> str:
    return type_text(kind).removeprefix("a ")


def _default(field: msgspec.structs.FieldInfo) -> str:
    if field.required:
        return "required"
    made = field.default_factory
    value = made() if callable(made) else field.default
    return "absent" if value is None else msgspec.json.encode(value).decode()


def _keys_text(rows: list[Key]) -> str:
    lines = []
    for row in rows:
        lines.append(f"{row.key}")
        lines.append(
            f"    {row.text} ({row.type}; default {row.default})".replace(
                "default required", "required"
            )
        )
    return "\n".join(lines)


def _write(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()
