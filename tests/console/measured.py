"""What was measured of the flight-delay model, as the engine would answer for its pages."""

from datetime import timedelta

import flights
import msgspec

from cdml_tui.screens.drift import Answer as DriftPage
from cdml_tui.screens.overview import Answer as OverviewPage
from cdml_tui.screens.performance import Answer as PerformancePage
from cdml_tui.screens.version import Answer as VersionPage
from engine import wire

# What a column or a file may be called by whoever delivers it.
HOSTILE = "dest\x1b[31m\n[bold]ination\u202e"
LOSS = [0.43, 0.428, 0.431, None, 0.429, 0.436, 0.44, 0.447, 0.452, 0.46, 0.463, 0.4718]


def weeks(at: int) -> tuple[str, str]:
    """The span of a week, counted from the present one."""
    end = flights.NOW + timedelta(days=7 * at)
    return tuple(t.isoformat().replace("+00:00", "Z") for t in (end - timedelta(days=7), end))  # type: ignore[return-value]


def period(at: int, value: float | None) -> wire.PerformancePeriod:
    cost = None if value is None else round(value + 0.16, 4)
    kpi = {"cost": cost}
    sure = (None, None) if value is None else (value - 0.02, value + 0.02)
    return wire.PerformancePeriod("served", *weeks(at), 1993, {"log_loss": value}, kpi, *sure)


def estimate(name: str, value: float) -> wire.EstimateRow:
    experts = [wire.Expert("persistence", value + 0.003, 0.7), wire.Expert("constant", 0.4, 0.3)]
    made = wire.Estimated(experts, 0.92, 25)
    return wire.EstimateRow(name, *weeks(0), value, value - 0.02, value + 0.02, 2011, made)


def ahead(name: str, horizon: int, limit: float, breach: str | None) -> wire.ForecastRow:
    value = 0.47 + 0.006 * horizon + (0.16 if name == "cost" else 0)
    span = weeks(horizon)
    made = wire.Forecast(horizon, *span, [], 0.9, 20, limit, 0.12 * horizon, breach)
    wide = 0.02 + 0.01 * horizon
    return wire.ForecastRow(name, *span, value, value - wide, value + wide, 14, made)


def performance() -> PerformancePage:
    periods = [period(at - len(LOSS), value) for at, value in enumerate(LOSS)]
    windows = [
        wire.Window(name, *weeks(at - len(LOSS)), value, low, high, 1993)
        for at, loss in enumerate(LOSS)
        if loss is not None
        for name, value, low, high in (
            ("log_loss", loss, loss - 0.02, loss + 0.02), ("cost", loss + 0.16, None, None),
        )
    ]  # fmt: skip
    calibration = [
        wire.CalibrationRow(
            "gap", "v3", *weeks(-1), 0.031, 0.01, 0.052, 1993, wire.Calibration(0.281, 0.25)
        )
    ]
    found = wire.Performance(
        "late", "log_loss", "realised", periods, windows,
        [estimate("log_loss", 0.469), estimate("cost", 0.63)], calibration,
        ["losses: no change in 2055 rows"],
    )  # fmt: skip
    breach = weeks(3)[1]
    rows = [ahead("cost", h, 0.6, None) for h in (1, 2, 3, 4)]
    rows += [ahead("log_loss", h, 0.48, breach) for h in (1, 2, 3, 4)]
    page = wire.KpiPage(
        "cost", "avg(case when decision then 1 else 3 end)", "minimize", "USD per flight", 0.6,
        0.495, "v3", [wire.KpiWindow(*weeks(-1), 1993, 0.6318, 0.85, 0.72)],
    )  # fmt: skip
    return PerformancePage(found, wire.ForecastAnswer("late", rows), wire.KpiAnswer("late", [page]))


def unmeasured() -> PerformancePage:
    nothing = wire.Performance("late", "log_loss", "realised", [])
    return PerformancePage(nothing, wire.ForecastAnswer("late", []), wire.KpiAnswer("late", []))


def reference(against: str, psi: float | None, **more: object) -> wire.DriftReference:
    row = {"against": against, "of": f"{against} rows", "n": 16432, "psi": psi, **more}
    return msgspec.convert(row, wire.DriftReference)


def drift() -> wire.DriftAnswer:
    rich = {
        "damage": 0.0124, "worth": 0.04, "evidence": 9.1e4, "evidence_needed": 560.0,
        "evidence_since": "2026-03-09", "mean_reference": 36.4, "mean_current": 46.3,
        "deviation_reference": 8.51, "deviation_current": 8.72, "above_current": 199,
        "references": [
            reference("training", 0.312, js=0.23, ks=0.18, wasserstein=4.1),
            reference("recent", 0.091, js=0.1, ks=0.06, wasserstein=0.8),
            reference("season", None, missing="not enough values a year before: 0 of 200"),
        ],
    }  # fmt: skip
    columns = [
        msgspec.structs.replace(c, drifted=True, **rich) if c.column == "temp_f" else c
        for c in flights.drift()
        if c.column != "(prediction)"
    ]
    columns = sorted(columns, key=lambda c: c.column != "temp_f")
    strange = msgspec.structs.replace(columns[-1], column=HOSTILE, missing="not enough: 113 of 200")
    score = msgspec.structs.replace(columns[0], column="score", part="score", psi=2.4)
    return wire.DriftAnswer(
        "late", "v3", "training rows of v3", "2026-03-07 03:00..03-14 03:00Z",
        [*columns, strange], "", [score], 0.2, 1.0, 9,
    )  # fmt: skip


def numbers() -> wire.ColumnShape:
    edges = [float(12 + 2 * i) for i in range(22)]
    before = [round(600 * 2.718 ** (-((i - 9) ** 2) / 22)) for i in range(23)]
    after = [round(90 * 2.718 ** (-((i - 14) ** 2) / 22)) for i in range(22)] + [199]
    return wire.ColumnShape(
        "late", "temp_f", "feature", "training rows of v3", "2026-03-07 03:00..03-14 03:00Z",
        edges, [], before, after, 12, 0,
    )  # fmt: skip


def names() -> wire.ColumnShape:
    return wire.ColumnShape(
        "late", "carrier", "feature", "training rows of v3", "2026-03-07 03:00..03-14 03:00Z",
        [], ["UA", "B6", "9E", HOSTILE, "(others)"], [500, 300, 0, 40, 3], [52, 20, 19, 4, 0],
    )  # fmt: skip


def drift_page(shape: wire.ColumnShape | None = None) -> DriftPage:
    return DriftPage(drift(), shape)


CHECKS = [
    wire.Check("not worse than the champion", "pass", -0.01, "log_loss", 0.0032, -0.0036, 0.0111,
               3905, text="0.4823 against 0.4856, 14 days"),
    wire.Check("no slice worse", "fail", -0.01, "log_loss", -0.031, -0.048, -0.014, 210,
               text=f"lowest: {HOSTILE}"),
    wire.Check("cost better than never or always acting", "inconclusive", 0.0, "USD per flight",
               0.0285, -0.004, 0.0684, 3929, 6351),
    wire.Check("latency", "pass", 10.0, "ms", 1.0, n=20, text="the champion's 0.609"),
    wire.Check("answers the probe rows in serving", "pass", 1e-9, "largest difference", 0.0, n=20),
]  # fmt: skip


def version(name: str = "v3") -> VersionPage:
    row = next(v for v in flights.versions() if v.version == name)
    row = msgspec.structs.replace(row, memory_mib=0.437)
    report = wire.GateReport(
        "fail", "v1", "2026-02-28T00:00:00Z", "2026-03-10T00:00:00Z", 3905, CHECKS,
        ["no slice worse: carrier=WN is worse by 0.031"], 0.4823, {"cost": 0.495},
    )  # fmt: skip
    manifest: dict[str, object] = {
        "metric": "log_loss", "recipe": "hist_gradient_boosting", "rows": 18503, "window": "all",
        "seed": 1, "threshold": 0.25, "run": "r34", "size_bytes": 161251,
        "features": [{"name": HOSTILE}] * 19, "probe_rows": [{}] * 20,
    }  # fmt: skip
    page = wire.VersionPage(row, report, manifest)
    return VersionPage(page, lineage(name))


def lineage(name: str) -> wire.Lineage:
    batches = [
        wire.LineageBatch("6b52", "january.parquet", 15373, *weeks(-9), used=True),
        wire.LineageBatch("4fe8", HOSTILE, 291, *weeks(-8), used=True),
        wire.LineageBatch("aa31", "later.parquet", 305, *weeks(-1), used=False),
    ]
    origin = {
        "candidate": {"recipe": {"params": {"max_depth": 4}}}, "inputs": {"parent": "v1"},
        "search": {"chosen": "the best out of time, noise of seeds 0.002"},
    }  # fmt: skip
    return wire.Lineage(
        "late", name, "proven", *weeks(-9), 18503, "all", "hist_gradient_boosting", "log_loss", 1,
        {"numpy": "2.4.6"}, "r34", flights.ago(days=4), "74269ecb", "3f0dcd77", batches,
        [("2026-01-03T00:00:00Z", "2026-01-04T00:00:00Z")], "v1", "pass", ["v4"], [14], [],
        origin, ["v4", "v5"],
    )  # fmt: skip


def comparison(low: float = -0.0107, high: float = -0.001) -> wire.CompareAnswer:
    def line(name: str, value: float, low: float, high: float, n: int, **more: str) -> wire.Check:
        return wire.Check(name, "observed", None, "log_loss", value, low, high, n, **more)

    lines = [
        line("log_loss", (low + high) / 2, low, high, 6954, text="0.4380 against 0.4320"),
        line("carrier=AA", 0.0028, -0.007, 0.013, 1028),
        line("carrier=B6", -0.021, -0.034, -0.007, 425),
        line(f"dest={HOSTILE}", 0.011, 0.002, 0.02, 291),
        wire.Check("cost", "observed", None, "USD per flight", -0.01, -0.035, 0.015, 6954,
                   text="never act 0.5440, always act 0.8187, v1 0.4521, v3 0.4425"),
        wire.Check("calibration error", "observed", None, "", 0.005, -0.008, 0.011, 6954),
        wire.Check("mean difference of answers", "observed", None, "", 0.031, n=6954),
        wire.Check("share of decisions that change", "observed", None, "", 0.067, n=6954),
    ]  # fmt: skip
    return wire.CompareAnswer(
        "late", "v3", "v1", "log_loss", False, *weeks(-1), 6954, 25, "days",
        {"v3": 0.432, "v1": 0.438}, lines,
    )  # fmt: skip


def models() -> wire.State:
    """Three models: one in breach, one calm with a canary, one that nobody serves yet."""
    calm = flights.model(
        model="delay_min", metric="mean_absolute_error", champion="v7", breach=None,
        breach_since=None, versions=flights.rollout(), drift=[], alerts=[],
        signals=[wire.Signal("mean_absolute_error", "min", "realised", [11.2, 11.0, 10.9],
                             [flights.ago(days=d) for d in (3, 2, 1)], 10.9, 1800, 14.0)],
    )  # fmt: skip
    empty = flights.model(
        model=HOSTILE, champion=None, versions=[], signals=[], drift=[], breach=None,
        breach_since=None, trained_age_days=None, next_check=None, promote={},
    )  # fmt: skip
    return msgspec.structs.replace(
        flights.state(), models=[flights.model(incident=42), calm, empty]
    )


def overview() -> OverviewPage:
    status = wire.Status("ready", "up", [
        wire.ModelStatus(m.model, m.champion, 4, [], wire.RollbackReady("v1", True, ""))
        for m in models().models
    ])  # fmt: skip
    return OverviewPage(status, {"late": performance().forecast})
