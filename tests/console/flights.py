"""A realistic state of a flight-delay model, as wire values, for panes and for the test engine."""

from datetime import UTC, datetime, timedelta

import msgspec

from engine import wire

NOW = datetime(2026, 3, 14, 3, 4, 11, tzinfo=UTC)


def ago(**span: float) -> str:
    return (NOW - timedelta(**span)).isoformat().replace("+00:00", "Z")


def ahead(**span: float) -> str:
    return (NOW + timedelta(**span)).isoformat().replace("+00:00", "Z")


def version(
    name: str,
    fitness: str,
    roles: list[str],
    metric: float | None,
    n: int,
    kind: str,
    **more: object,
) -> wire.VersionRow:
    row: dict[str, object] = {
        "version": name,
        "fitness": fitness,
        "roles": roles,
        "share_pct": 100.0 if "champion" in roles else 0.0,
        "verdict": "pass",
        "trained_from": "2026-01-01T00:00:00Z",
        "trained_to": "2026-02-28T00:00:00Z",
        "generation": 4,
        "metric": metric,
        "metric_n": n,
        "metric_kind": kind,
        **more,
    }
    return msgspec.convert(row, wire.VersionRow)


def versions() -> list[wire.VersionRow]:
    return [
        version(
            "v1", "proven", ["anchor", "standby"], 0.4312, 1993, "realised",
            state="superseded", drift=0.081, p95_ms=3.9, created_at=ago(days=14),
        ),
        version(
            "v2", "rejected", [], 0.4391, 570, "validation",
            state="rejected", verdict="fail", created_at=ago(days=7),
        ),
        version(
            "v3", "proven", ["champion"], 0.4718, 1993, "realised",
            state="proven", drift=0.312, p95_ms=4.1, created_at=ago(days=4),
        ),
        version(
            "v4", "blessed", [], 0.4102, 861, "validation",
            state="passed its gate", created_at=ago(minutes=20),
        ),
        version(
            "v5", "inconclusive", [], 0.4207, 212, "validation",
            state="inconclusive", verdict="inconclusive", created_at=ago(minutes=5),
        ),
    ]  # fmt: skip


def rollout(role: str = "canary", share: float = 10.0) -> list[wire.VersionRow]:
    """Return the versions while v4 is being brought in."""
    given = {"v4": ([role], share), "v3": (["champion"], 100.0 - share)}
    return [
        msgspec.structs.replace(v, roles=given[v.version][0], share_pct=given[v.version][1])
        if v.version in given
        else v
        for v in versions()
    ]


CHECKS = [
    wire.PlanCheck("artifact", ok=True, found="sha256 as recorded"),
    wire.PlanCheck("loaded", ok=True, found="in serving's memory"),
    wire.PlanCheck("schema", ok=True, found="fits today's requests"),
    wire.PlanCheck("replay", ok=True, found="200 of 200 rows"),
]

ROLLBACK = wire.Plan(
    action="rollback",
    ready=True,
    why="",
    from_version="v3",
    to="v1",
    checks=CHECKS,
    measured="v1 on the last 1993 labelled rows: log loss .431 (v3 .472), cost .48 (.63) USD",
    same_as="cdml rollback late --to v1 --expect v3",
)

PROMOTE = wire.Plan(
    action="promote",
    ready=True,
    why="",
    from_version="v3",
    to="v4",
    checks=[wire.PlanCheck("gate", ok=True, found="9 of 9"), *CHECKS[:3]],
    measured="v4 on 861 rows newer than both: log loss .410 against v3 .468",
    same_as="cdml promote late v4 --expect v3",
)

OVERRIDE = wire.Plan(
    action="promote",
    ready=False,
    why="the gate is inconclusive: 212 of 570 rows needed.",
    from_version="v3",
    to="v5",
    checks=[wire.PlanCheck("gate", ok=False, found="212 of 570 rows")],
    measured="v5 on 212 rows newer than both: log loss .421 against v3 .460",
    overrides=["gate_inconclusive"],
)


def signals() -> list[wire.Signal]:
    days = [ago(days=13 - i) for i in range(14)]
    loss = [0.43, 0.428, 0.431, 0.433, None, 0.429, 0.436, 0.44, 0.447, 0.452, 0.46, 0.463, 0.469]
    psi = [0.05, 0.06, 0.05, 0.07, 0.06, 0.08, 0.09, 0.12, 0.15, 0.19, 0.22, 0.27, 0.30, 0.312]
    cost = [0.49, 0.5, 0.48, 0.5, 0.51, 0.5, 0.52, 0.53, 0.55, 0.57, 0.6, 0.61, 0.62, 0.634]
    late = [0.61, 0.6, 0.62, 0.6, 0.61, 0.6, 0.59, 0.58, 0.58, 0.57, 0.56, 0.56, 0.55, 0.55]

    def one(
        name: str, unit: str, kind: str, values: list[float | None], n: int, **more: object
    ) -> wire.Signal:
        row = {
            "name": name, "unit": unit, "kind": kind, "values": values, "times": days,
            "last": values[-1], "n": n, **more,
        }  # fmt: skip
        return msgspec.convert(row, wire.Signal)

    return [
        one(
            "log_loss",
            "",
            "realised",
            [*loss, 0.4718],
            1993,
            limit=0.45,
            breached=True,
            alert="firing",
        ),
        one(
            "cost",
            "USD per flight",
            "realised",
            cost,
            1993,
            limit=0.6,
            breached=True,
            alert="firing",
        ),
        one("psi max", "temp_f", "live", psi, 2011, limit=0.2, breached=True, alert="firing"),
        one("auc", "", "estimated", late, 2011),
        one("p95", "ms", "live", [4.0, 4.1, 4.0, 4.2, 4.1], 2011, limit=50.0),
        one("errors", "%", "live", [0.0] * 14, 2011, limit=1.0),
    ]


def drift() -> list[wire.DriftColumn]:
    def one(column: str, kind: str, psi: float | None, **more: object) -> wire.DriftColumn:
        row = {
            "column": column, "kind": kind, "psi": psi, "js": None, "ks": None,
            "n_reference": 16432, "n_current": 2011, "null_rate_reference": 0.002,
            "null_rate_current": 0.003, **more,
        }  # fmt: skip
        return msgspec.convert(row, wire.DriftColumn)

    return [
        one("wind_speed", "numeric", 0.061, null_rate_current=0.061),
        one("temp_f", "numeric", 0.312),
        one("carrier", "categorical", 0.021, new_categories=["9E", "YV"]),
        one("sched_dep_hour", "numeric", 0.004),
        one("dest", "categorical", 0.118),
        one("(prediction)", "numeric", 0.14),
        one("visibility", "numeric", None),
    ]


def jobs() -> list[wire.JobRow]:
    return [
        wire.JobRow("r-31", "late", "validate", "running", "after train", ago(minutes=3),
                    ago(minutes=2), progress=0.41, version="v5"),
        wire.JobRow("r-30", "late", "train", "done", "drift of temp_f", ago(minutes=31),
                    ago(minutes=30), ago(minutes=20), version="v4", verdict="pass"),
        wire.JobRow("r-29", "late", "monitor", "done", "schedule", ago(hours=3),
                    ago(hours=3), ago(hours=3), note="psi .312 of temp_f over .2"),
        wire.JobRow("r-28", "late", "ingest", "failed", "new file", ago(hours=9), ago(hours=9),
                    ago(hours=9), error="column \"temp_f\" is missing"),
    ]  # fmt: skip


SCHEDULES = [
    wire.ScheduleRow("late", "train", "every 7d", ahead(days=2, hours=1)),
    wire.ScheduleRow("late", "monitor", "every 1d", ahead(hours=21)),
]


def events() -> list[wire.EventRow]:
    said = [
        (780, "INFO", "labels", "261 labels joined, 9 corrected, 2 of unknown ids"),
        (370, "WARN", "drift", "temp_f psi .27 > .20, 2 of 3 windows"),
        (246, "CRIT", "drift", "temp_f psi .312; cost .634 USD per flight over .60"),
        (245, "ACT", "engine", "training started because of drift, run r-30"),
        (120, "INFO", "gate", "v4 passed 9 of 9 against v3 on 861 rows"),
        (60, "ACT", "engine", "validation of v5 began on 212 rows"),
    ]
    return [
        wire.EventRow(i, ago(seconds=s), level, kind, "late", text)  # type: ignore[arg-type]
        for i, (s, level, kind, text) in enumerate(said, 41)
    ]


def alert(number: int = 1, **changes: object) -> wire.AlertRow:
    whole = wire.AlertRow(
        number=number, model="late", kind="kpi", name="cost", version="v3", severity="CRIT",
        state="firing", text="cost 0.634 USD per flight, limit 0.6, n 1993", value=0.634,
        limit=0.6, n=1993, since=ago(days=2), seen=ago(minutes=4), looks=3,
        sure="by its value alone, n 1993", cost="cost 0.634 USD per flight, limit 0.6",
        because="columns temp_f psi 0.31", next=["cdml performance late"], opened=ago(days=2),
    )  # fmt: skip
    return msgspec.structs.replace(whole, **changes)


def model(**changes: object) -> wire.ModelState:
    whole = wire.ModelState(
        model="late",
        task="binary",
        metric="log_loss",
        higher_is_better=False,
        champion="v3",
        generation=4,
        locks=[],
        versions=versions(),
        signals=signals(),
        drift=drift(),
        drift_window="7 days against training",
        rollback=ROLLBACK,
        promote={"v4": PROMOTE, "v5": OVERRIDE},
        breach="temp_f psi .31 > .20; cost .63 > .60",
        breach_since=ago(minutes=4),
        next_check=ahead(hours=21),
        trained_age_days=4.0,
    )
    return msgspec.structs.replace(whole, **changes)


def state(of: wire.ModelState | None = None, **changes: object) -> wire.State:
    whole = wire.State(
        workspace="box1",
        path="/srv/flights",
        you="anna",
        role="operator",
        engine=wire.EngineState(
            pid=411, version="0.1.0", boot="b1", started=ago(days=12), now=ago(), wall=ago(),
            simulated=False, state="ready",
        ),
        serving=wire.ServingState(
            up=True, pid=412, listen="127.0.0.1:8080", requests=48211, failed=0, dropped=0,
            spool_bytes=4096, rps=0.2, p50_ms=3.0, p95_ms=4.1, rss_mib=181.0,
        ),
        models=[of or model()],
        jobs=jobs(),
        schedules=SCHEDULES,
        events=events(),
        event_id=46,
    )  # fmt: skip
    return msgspec.structs.replace(whole, **changes)
