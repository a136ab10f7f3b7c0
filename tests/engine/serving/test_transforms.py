"""A version with a transformation, served by a real process: what clients send and get."""

from collections.abc import Callable
from pathlib import Path

import httpx

from engine.domain.schema import Feature, Kind
from engine.transform import columns as forms
from engine.transform import proof
from engine.transform.sealed import Sealed, Source, source
from engine.transform.transformation import Transformation
from engine.workspace import Workspace

from .conftest import FEATURES, Service, make_rows, seal, set_roles

Start = Callable[..., Service]
LATE = "/v1/models/late/predict"
KINDS = {f.name: Kind(f.kind) for f in FEATURES}
# As good as the holiday itself, but for an hour that no byte can hold.
SQL = source(
    "sql",
    "late.sql",
    "select * exclude (holiday), holiday or cast(hour as utinyint) < 0 as festive from rows",
)
PYTHON = source(
    "python",
    "late:made",
    "def made(columns):\n"
    "    if (columns['hour'] > 1000).any():\n"
    "        raise RuntimeError('gone')\n"
    "    kept = {name: columns[name] for name in ('hour', 'distance', 'carrier')}\n"
    "    return {**kept, 'festive': columns['holiday']}\n",
)


def sealed(of: Source) -> Sealed:
    probes = proof.probes(make_rows(5), list(KINDS))
    made = proof.proven(Transformation(of, KINDS), probes)
    derived = [Feature("festive", Kind.BOOLEAN, nullable=False)]
    kept = ["hour", "distance", "carrier"]
    return Sealed(of, kept, derived, probes, [forms.values(made["festive"])])


def body(hour: float | None = None, n: int = 40) -> dict[str, list[dict[str, object]]]:
    rows = make_rows(n)
    if hour is not None:
        rows[n // 2]["hour"] = hour
    return {"rows": [{"id": f"f-{at}", "features": row} for at, row in enumerate(rows)]}


def maps_of(service: Service) -> str:
    return Path(f"/proc/{service.process.pid}/maps").read_text()


def test_rows_are_answered_as_without_it_where_it_changes_nothing_and_refused_by_name(
    workspace: Workspace, start: Start
) -> None:
    same = seal(workspace, "late", "binary", 3)
    set_roles(workspace, "late", champion=same)
    plain = start()
    wanted = httpx.post(plain.url + LATE, json=body()).json()["predictions"]
    assert "duckdb" not in maps_of(plain)
    through = seal(workspace, "late", "binary", 3, transform=sealed(SQL))
    set_roles(workspace, "late", champion=through)
    plain.link.sync()
    assert "duckdb" in maps_of(plain)
    answer = httpx.post(plain.url + LATE, json=body())
    assert [p["version"] for p in answer.json()["predictions"]] == [through] * 40
    assert [p["score"] for p in answer.json()["predictions"]] == [p["score"] for p in wanted]
    refused = httpx.post(plain.url + LATE, json=body(2000.0))
    error = refused.json()["error"]
    assert (refused.status_code, error["code"]) == (422, "untransformable")
    assert 'Transforming row 21 by "late.sql": it cannot be computed' in error["message"]
    late = next(m for m in plain.link.status().models if m.model == "late")
    assert (late.refused, late.answers, late.errors) == ({through: 40}, {through: 40}, {})


def test_a_function_that_breaks_is_a_500_and_counted_and_a_canary_costs_nobody_an_answer(
    workspace: Workspace, start: Start
) -> None:
    through = seal(workspace, "late", "binary", 1, transform=sealed(PYTHON))
    set_roles(workspace, "late", champion="v1", canary=through, canary_share_pct=50.0, salt="s")
    service = start()
    answer = httpx.post(service.url + LATE, json=body())
    assert {p["version"] for p in answer.json()["predictions"]} == {"v1", through}
    broken = body(2000.0)
    broken["rows"] = [{**row, "features": broken["rows"][20]["features"]} for row in broken["rows"]]
    answer = httpx.post(service.url + LATE, json=broken)
    assert answer.status_code == 200
    assert {p["version"] for p in answer.json()["predictions"]} == {"v1"}
    late = next(m for m in service.link.status().models if m.model == "late")
    assert 10 < late.errors[through] < 30
    set_roles(workspace, "late", champion=through)
    service.link.sync()
    answer = httpx.post(service.url + LATE, json=body(2000.0, 3))
    error = answer.json()["error"]
    assert (answer.status_code, error["code"]) == (500, "broken_transform")
    assert "it raised RuntimeError: gone" in error["message"]
    late = next(m for m in service.link.status().models if m.model == "late")
    assert late.errors == {through: 3}


def test_a_version_that_computes_otherwise_here_is_not_served(
    workspace: Workspace, start: Start
) -> None:
    one = sealed(SQL)
    other = Sealed(one.source, one.kept, one.derived, one.probes, [[True] * len(one.probes)])
    through = seal(workspace, "late", "binary", 1, transform=other)
    set_roles(workspace, "late", champion=through, standby=("v1",))
    service = start()
    answer = httpx.post(service.url + LATE, json=body(n=1))
    assert answer.json()["predictions"][0]["version"] == "v1"
    late = next(m for m in service.link.status().models if m.model == "late")
    assert 'column "festive" of probe rows' in late.failures[through]
