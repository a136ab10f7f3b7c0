"""A draft as the text of a cdml.toml: every key that matters, each with one line of comment."""

import json
from collections.abc import Sequence
from typing import get_args, get_type_hints

import msgspec

from engine.draft import Draft
from engine.settings import (
    GateSettings,
    ModelSettings,
    MonitorSettings,
    RolloutSettings,
    ServingSettings,
    TrainSettings,
    WorkspaceSettings,
)


def toml_text(workspace: str, model: str, draft: Draft) -> str:
    """Return the whole file."""
    lines = [
        "# Settings of a cdml workspace. `cdml check` says in plain words what they do,",
        "# `cdml check --keys` lists every key. After a change: cdml reload",
        "",
        "[workspace]",
        *_keys(WorkspaceSettings, {"name": workspace, "timezone": "UTC"}),
        "",
        "[serving]",
        *_keys(ServingSettings, {"listen": "127.0.0.1:8080"}),
        "",
        f"[models.{model}]",
        *_model(draft),
        "",
        f"[models.{model}.train]",
        *_keys(
            TrainSettings,
            {
                "every": draft.train_every,
                "on": ["new_data"],
                "windows": ["all"],
                "seeds": 3,
                "deadline": "30m",
                "memory": "2GiB",
            },
        ),
        "",
        f"[models.{model}.gate]",
        *_keys(
            GateSettings,
            {
                "non_inferiority": draft.non_inferiority,
                "holdout": draft.holdout,
                "renewal": True,
                "refit": True,
                "slices": [],
            },
        ),
        "",
        f"[models.{model}.rollout]",
        *_keys(RolloutSettings, {"mode": "automatic", "unit": "client"}),
        *_inline("shadow", {"rows": draft.shadow_rows}),
        *_keys(RolloutSettings, {"canary": [], "alpha": 0.05}),
        *_inline(
            "proven",
            {"hours": 24, "requests": draft.proven_requests, "labels": draft.proven_labels},
        ),
        "",
        f"[models.{model}.monitor]",
        *_keys(
            MonitorSettings,
            {"every": draft.monitor_every, "window": draft.monitor_window, "drift_limit": 0.2},
        ),
        f"# {_comment(MonitorSettings, 'metric_limit')}",
        f"# metric_limit = {_example_limit(draft)}",
        "",
        *_kpi(model, draft),
    ]
    return "\n".join(lines) + "\n"


def _model(draft: Draft) -> list[str]:
    values: dict[str, object] = {
        "task": draft.task,
        "recipe": "hist_gradient_boosting",
        "target": draft.target,
        "time": draft.time,
    }
    values |= {"label_time": draft.label_time} if draft.label_time else {}
    values |= {"id": draft.id} if draft.id else {}
    lines = _keys(ModelSettings, values)
    lines += [f"# {_comment(ModelSettings, 'exclude')}", "exclude = ["]
    lines += [f"    {_value(name)},  # {why}" for name, why in draft.exclude.items()]
    lines += ["]"]
    lines += _keys(ModelSettings, {"metric": draft.metric, "label_maturity": draft.label_maturity})
    return lines


def _kpi(model: str, draft: Draft) -> list[str]:
    wrong = {
        "binary": "avg(case when decision and not label then 1 "
        "when not decision and label then 3 else 0 end)",
        "multiclass": "avg(case when decision = label then 0 else 1 end)",
        "regression": "avg(abs(value - label))",
    }[draft.task]
    return [
        "# A business number, if there is one; the weights are yours to choose:",
        f"# [models.{model}.kpi.cost]",
        f"# sql = {_value(wrong)}",
        '# direction = "minimize"',
        '# unit = "USD per row"',
        "# limit = 0.60",
    ]


def _example_limit(draft: Draft) -> str:
    usual = {"log_loss": "0.69", "brier_score_loss": "0.25", "roc_auc_score": "0.6"}
    return usual.get(draft.metric, "0.5" if draft.metric == "accuracy_score" else "10.0")


def _keys(kind: type[msgspec.Struct], values: dict[str, object]) -> list[str]:
    lines: list[str] = []
    for key, value in values.items():
        lines += [f"# {_comment(kind, key)}", f"{key} = {_value(value)}"]
    return lines


def _inline(key: str, values: dict[str, object]) -> list[str]:
    inner = ", ".join(f"{name} = {_value(value)}" for name, value in values.items())
    return [f"# {_comment(RolloutSettings, key)}", f"{key} = {{ {inner} }}"]


def _comment(kind: type[msgspec.Struct], key: str) -> str:
    meta = get_args(get_type_hints(kind, include_extras=True)[key])[1]
    return str(meta.description)


def _value(value: object) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)  # a TOML basic string has JSON's escapes
    if isinstance(value, Sequence):
        return f"[{', '.join(_value(v) for v in value)}]"
    return json.dumps(value)
