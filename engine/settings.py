"""cdml.toml as values, read and checked once. Every key, its type and its default stand here."""

import re
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec

from engine.quantities import address, check_cron, duration, size
from engine.settings_file import Document, nearest
from engine.settings_notify import NotifySettings
from engine.settings_policy import GateSettings, MonitorSettings, RecipeSettings, check_recipes
from engine.settings_roles import RolesSettings
from engine.settings_rollout import ProvenSettings, RolloutSettings, ShadowSettings
from engine.settings_rules import (
    OWN_RECIPE,
    RECIPES,
    between,
    budget,
    check_timezone,
    positive,
    read,
    recipe,
    says,
    wrong,
)
from engine.settings_source import SourceSettings
from engine.settings_telemetry import TelemetrySettings
from engine.settings_transform import TransformSettings
from engine.settings_upkeep import BackupSettings, RetentionSettings

__all__ = [
    "METRICS",
    "METRIC_OF_TASK",
    "NAME",
    "RECIPES",
    "GateSettings",
    "KpiSettings",
    "ModelSettings",
    "MonitorSettings",
    "PolicySettings",
    "ProvenSettings",
    "RecipeSettings",
    "RolloutSettings",
    "Section",
    "ServingSettings",
    "Settings",
    "ShadowSettings",
    "Task",
    "TrainSettings",
    "Trigger",
    "WorkspaceSettings",
    "address",
    "duration",
    "load",
    "size",
]

Task = Literal["binary", "multiclass", "regression"]
Trigger = Literal["new_data", "drift", "performance", "forecast", "stale", "recipe"]

METRICS: dict[str, tuple[tuple[Task, ...], bool]] = {  # metric: (its tasks, higher is better)
    "log_loss": (("binary", "multiclass"), False),
    "brier_score_loss": (("binary",), False),
    "roc_auc_score": (("binary",), True),
    "accuracy_score": (("binary", "multiclass"), True),
    "mean_absolute_error": (("regression",), False),
    "root_mean_squared_error": (("regression",), False),
}
METRIC_OF_TASK: dict[Task, str] = {
    "binary": "log_loss",
    "multiclass": "log_loss",
    "regression": "mean_absolute_error",
}
MAX_WORKERS = 64
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


class Section(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """A table of cdml.toml."""


class WorkspaceSettings(Section, frozen=True, kw_only=True):
    """Who this workspace is and how naive times in files are read."""

    name: Annotated[str, says("What the console calls this workspace.")] = "cdml"
    timezone: Annotated[str, says("How times without a zone in files are read.")] = "UTC"

    def __post_init__(self) -> None:
        if not self.name.strip() or not self.name.isprintable() or len(self.name) > 64:
            wrong("name", "a name of 1 to 64 printable characters is expected.")
        check_timezone(self.timezone)


class ServingSettings(Section, frozen=True, kw_only=True):
    """Where the prediction service listens."""

    listen: Annotated[
        str, says("Address and port of the prediction service; beyond loopback only with tokens.")
    ] = "127.0.0.1:8080"
    workers: Annotated[int, says("Processes that share the port; each holds every version.")] = 1
    rate: Annotated[
        float | None,
        says("Requests a second that one client may send to a worker; absent: no limit."),
    ] = None
    log_full: Annotated[
        Literal["drop_and_count", "refuse"],
        says("While the log cannot be written: answer unlogged and count, or refuse with 503."),
    ] = "drop_and_count"

    def __post_init__(self) -> None:
        read("listen", address, self.listen)
        between("workers", self.workers, 1, MAX_WORKERS)
        if self.rate is not None and not 0 < self.rate <= 1_000_000:
            wrong("rate", f"found {self.rate}; it must be above 0, like 50.")


class TrainSettings(Section, frozen=True, kw_only=True):
    """When candidates are trained, on what, and how long they may take."""

    every: Annotated[str | None, says("Train this often; not together with cron.")] = None
    cron: Annotated[str | None, says("Train at these times: five cron fields.")] = None
    on: Annotated[list[Trigger], says("Train also when this happens.")] = []
    stale: Annotated[
        str | None,
        says('With on = ["stale"]: the age of its rows; absent: when versions here became worse.'),
    ] = None
    windows: Annotated[
        list[str], says('Train on each of these and compare: "all" or a duration.')
    ] = msgspec.field(default_factory=lambda: ["all"])
    seeds: Annotated[int, says("Trainings of the best; their spread is the noise floor.")] = 3
    recipes: Annotated[
        list[str], says("Recipes that compete with the model's own, on the same windows.")
    ] = []
    search: Annotated[
        Literal["random", "halving"],
        says("Beyond the budget: draw candidates, or give few rows to many and more to the best."),
    ] = "random"
    budget: Annotated[
        str | None, says('The most a search may take: "40 fits", or a duration; absent: all.')
    ] = None
    calibration: Annotated[
        list[Literal["sigmoid", "isotonic"]],
        says("Corrections of the probabilities that are tried, and kept where they surely help."),
    ] = []
    deadline: Annotated[str, says("A training that takes longer is killed.")] = "30m"
    memory: Annotated[str, says("A training that needs more fails.")] = "2GiB"

    def __post_init__(self) -> None:
        if self.every is not None and self.cron is not None:
            wrong("cron", "every and cron are both set. Keep one of them.")
        if self.every is not None:
            positive("every", self.every)
        if self.cron is not None:
            read("cron", check_cron, self.cron)
        if self.stale is not None:
            positive("stale", self.stale)
            if "stale" not in self.on:
                wrong("stale", 'nothing asks for it. Write "stale" into on, or remove it.')
        if not self.windows or len(set(self.windows)) < len(self.windows):
            wrong("windows", 'at least one window is needed, each once. Write ["all"].')
        for window in self.windows:
            if window != "all":
                positive("windows", window)
        between("seeds", self.seeds, 1, 20)
        if self.budget is not None:
            read("budget", budget, self.budget)
        positive("deadline", self.deadline)
        if read("memory", size, self.memory) < 256 << 20:
            wrong("memory", f'found "{self.memory}"; less than 256MiB trains nothing.')


class KpiSettings(Section, frozen=True, kw_only=True):
    """A business number: SQL over mature labelled predictions."""

    sql: Annotated[str, says("One expression over decision, label, score and the features.")]
    direction: Annotated[Literal["minimize", "maximize"], says("Which way is better.")]
    unit: Annotated[str, says("What it is counted in.")] = ""
    limit: Annotated[float | None, says("Beyond this the champion is in breach.")] = None

    def __post_init__(self) -> None:
        if not self.sql.strip():
            wrong("sql", "it is empty. Write an aggregate, or remove the KPI.")
        if ";" in self.sql:
            wrong("sql", "a semicolon is in it. Write one expression, no statement.")


class ModelSettings(Section, frozen=True, kw_only=True):
    """One model: its columns, its metric and its policies."""

    task: Annotated[Task, says("What is predicted.")]
    target: Annotated[str, says("The column that is predicted.")]
    time: Annotated[str, says("When the event is; the order of everything.")]
    recipe: Annotated[
        str, says('What is trained: built in, of [recipes], or "package.module:function".')
    ] = "hist_gradient_boosting"
    label_time: Annotated[str | None, says("When the outcome became known.")] = None
    id: Annotated[str | None, says("Names a row; joins labels to predictions.")] = None
    exclude: Annotated[list[str], says("Columns that are never features.")] = []
    metric: Annotated[str, says("The number that decides; empty: the usual one of the task.")] = ""
    label_maturity: Annotated[str, says("Rows younger than this are no evidence.")] = "0d"
    false_quarantines: Annotated[
        float,
        says("The share of files set aside that people may have to accept; beyond, limits widen."),
    ] = 0.02
    contract: Annotated[
        Literal["strict", "flag"],
        says("A null where training saw none: refused, or answered and flagged."),
    ] = "strict"
    policy: Annotated[str | None, says("Take what is not said here from [policies.NAME].")] = None
    train: Annotated[TrainSettings, says("When and on what it is trained.")] = TrainSettings()
    gate: Annotated[GateSettings, says("What a version must show.")] = GateSettings()
    rollout: Annotated[RolloutSettings, says("How a version is brought in.")] = RolloutSettings()
    source: Annotated[
        SourceSettings | None, says("Where rows come from besides the drop folder.")
    ] = None
    transform: Annotated[
        TransformSettings | None, says("What its rows become before the recipe sees them.")
    ] = None
    kpi: Annotated[dict[str, KpiSettings], says("Business numbers by name.")] = {}
    monitor: Annotated[MonitorSettings, says("How the champion is watched.")] = MonitorSettings()

    def __post_init__(self) -> None:
        if not self.metric:
            msgspec.structs.force_setattr(self, "metric", METRIC_OF_TASK[self.task])
        _check_metric(self.metric, self.task)
        if not NAME.fullmatch(self.recipe) and not OWN_RECIPE.fullmatch(self.recipe):
            recipe("recipe", self.recipe)
        self._check_columns()
        read("label_maturity", duration, self.label_maturity)
        between("false_quarantines", self.false_quarantines, 0.001, 0.5)
        for name in self.kpi:
            if not NAME.fullmatch(name):
                wrong("kpi", f'"{name[:40]}" is no name. Use letters, digits, _ and -.')

    def _check_columns(self) -> None:
        columns = {"target": self.target, "time": self.time}
        columns |= {"label_time": self.label_time} if self.label_time is not None else {}
        columns |= {"id": self.id} if self.id is not None else {}
        seen: dict[str, str] = {}
        for key, column in columns.items():
            if not column or not column.isprintable():
                wrong(key, "it must name a column, without control characters.")
            if column in seen:
                wrong(key, f'"{column}" is {seen[column]} already. Each needs its own column.')
            seen[column] = key
        for column in self.exclude:
            if seen.get(column) in ("target", "time"):
                wrong("exclude", f'"{column}" is the {seen[column]}. Take it off the list.')
        if self.gate.group and self.gate.group in (self.target, self.time, self.label_time):
            wrong("gate", f'group "{self.gate.group}" does not name what rows have in common.')
        if self.gate.calibration is not None and self.task == "regression":
            wrong("gate", "calibration is about probabilities; a regression task answers none.")
        if self.gate.renewal and not self.rollout.shadow.rows:
            wrong("gate", "renewal needs a shadow to show the rest: set rollout.shadow.rows.")
        if self.rollout.unit in (self.target, self.label_time):
            wrong("rollout", f'unit "{self.rollout.unit}" is not known when a row is predicted.')


class PolicySettings(Section, frozen=True, kw_only=True):
    """Parts that several models share by name."""

    train: Annotated[TrainSettings, says("As in a model.")] = TrainSettings()
    gate: Annotated[GateSettings, says("As in a model.")] = GateSettings()
    rollout: Annotated[RolloutSettings, says("As in a model.")] = RolloutSettings()
    monitor: Annotated[MonitorSettings, says("As in a model.")] = MonitorSettings()


class Settings(Section, frozen=True, kw_only=True):
    """The whole file."""

    workspace: Annotated[WorkspaceSettings, says("This workspace.")] = WorkspaceSettings()
    serving: Annotated[ServingSettings, says("The prediction service.")] = ServingSettings()
    roles: Annotated[RolesSettings, says("Who else may do what.")] = RolesSettings()
    backup: Annotated[BackupSettings, says("Copies of the workspace.")] = BackupSettings()
    telemetry: Annotated[TelemetrySettings, says("What is shown outside.")] = TelemetrySettings()
    notify: Annotated[NotifySettings, says("Who is told what happens.")] = NotifySettings()
    retention: Annotated[RetentionSettings, says("What is kept how long.")] = RetentionSettings()
    models: Annotated[dict[str, ModelSettings], says("The models by name.")] = {}
    policies: Annotated[dict[str, PolicySettings], says("Shared parts by name.")] = {}
    recipes: Annotated[dict[str, RecipeSettings], says("Recipes with parameters by name.")] = {}


def load(path: Path, over: Mapping[str, str] = MappingProxyType({})) -> Settings:
    """Read and check a cdml.toml; InvalidError names file, line, key and the nearest valid key.

    What a policy named in `over` says wins over what the model of that name says itself.
    """
    document = Document(path)
    tables = document.tables
    policies = tables.get("policies", {})
    models = tables.get("models", {})
    recipes = tables.get("recipes", {})
    for kind, named in (("models", models), ("policies", policies), ("recipes", recipes)):
        for name in named if isinstance(named, dict) else ():
            if not NAME.fullmatch(name):
                document.fail((kind, name), "a name has letters, digits, _ and -, 64 at most.")
    # A policy is checked by itself first, so that its mistakes are named where they stand.
    document.build(Settings, {k: v for k, v in tables.items() if k != "models"}, ())
    if isinstance(models, dict):
        models = {n: _with_policy(document, n, raw, policies) for n, raw in models.items()}
        for name in over.keys() & models.keys():
            models[name] = _under_policy(models[name], policies[over[name]])
        tables = {**tables, "models": models}
    settings = document.build(Settings, tables, ())
    asked: dict[tuple[str, ...], list[str]] = {}
    for name, m in settings.models.items():
        asked |= {(name, "recipe"): [m.recipe], (name, "train", "recipes"): m.train.recipes}
    check_recipes(document, settings.recipes, asked)
    for name, m in settings.models.items():
        needed = duration(m.monitor.window) + duration(m.label_maturity) + timedelta(days=1)
        if duration(settings.retention.predictions) < needed:
            document.fail(
                ("retention", "predictions"),
                f"it is shorter than window, label_maturity and a day of {name}, {needed.days}d.",
            )
    return settings


def _with_policy(document: Document, name: str, raw: Any, policies: dict[str, Any]) -> Any:
    if not isinstance(raw, dict) or "policy" not in raw:
        return raw
    policy = policies.get(raw["policy"]) if isinstance(raw["policy"], str) else None
    if policy is None:
        hint = nearest(str(raw["policy"]), list(policies)) or " There is none yet."
        document.fail(
            ("models", name, "policy"), f'there is no [policies] table "{raw["policy"]}".{hint}'
        )
    own_train = raw.get("train", {})
    if isinstance(own_train, dict) and own_train.keys() & {"every", "cron"}:
        shared = {k: v for k, v in policy.get("train", {}).items() if k not in ("every", "cron")}
        policy = {**policy, "train": shared}
    return _merged(policy, raw)


def _under_policy(model: dict[str, Any], policy: dict[str, Any]) -> dict[str, Any]:
    """Return a model's table as a policy would have it, whatever the model says itself."""
    if policy.get("train", {}).keys() & {"every", "cron"}:
        own = {k: v for k, v in model.get("train", {}).items() if k not in ("every", "cron")}
        model = {**model, "train": own}
    return _merged(model, policy)


def _merged(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _merged(under[key], over[key])
        for key in under.keys() & over.keys()
        if isinstance(under[key], dict) and isinstance(over[key], dict)
    }
    return {**under, **over, **both}


def _check_metric(metric: str, task: Task) -> None:
    fitting = [name for name, (tasks, _) in METRICS.items() if task in tasks]
    if metric in fitting:
        return
    found = (
        f'"{metric[:40]}" does not fit a {task} task.'
        if metric in METRICS
        else (f'"{metric[:40]}" is no known metric.{nearest(metric, fitting)}')
    )
    wrong("metric", f"{found} Possible: {', '.join(fitting)}.")
