"""A small history replayed: what it says, that it is the same again, and what it may know."""

import copy
import json
import shutil
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from engine.artifacts import Artifacts
from engine.backtest import ages, course, past, verb
from engine.backtest.course import Course, Done, read_done
from engine.backtest.plan import Plan, periods
from engine.backtest.result import result
from engine.backtest.sheet import sheet
from engine.backtest.words import text
from engine.clock import parse_time
from engine.errors import CdmlError, InvalidError
from engine.ledger.ledger import Ledger
from engine.pipeline.delivery import monitor_run
from engine.pipeline.ingest import ingest
from engine.settings import load
from engine.store import history
from engine.store.history import History
from engine.workspace import Workspace
from tests.engine.pipeline.place import SETTINGS, Place, csv

POLICIES = """
[policies.eager.train]
every = "11d"
"""
EVERY = '[models.late.train]\nevery = "13d"'
START = "2024-01-31T00:00:00Z"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A workspace that no engine ever ran in, with a file that waits."""
    root = tmp_path_factory.mktemp("backtest")
    toml = SETTINGS.replace("[models.late.train]", EVERY).replace(
        'id = "id"', 'id = "id"\nlabel_time = "known"'
    )
    toml = toml.replace("[models.late.monitor]", '[models.late.monitor]\nevery = "7d"')
    (root / "cdml.toml").write_text(toml + POLICIES)
    Workspace(root).create(["late"])
    (root / "incoming" / "late" / "rows.csv").write_text(_delayed())
    return root


def _delayed() -> str:
    """Return rows an hour apart whose outcomes are known half a day later, from 1 January on."""
    head, *lines = csv(1, 1200, start=parse_time("2024-01-01T00:00:00Z")).splitlines()
    made = [f"{head},known"]
    for line in lines:
        day = line.split(",")[1]
        made.append(f"{line},{day[:10]} {'23:30:00' if day[11:13] < '12' else '23:59:59'}")
    return "\n".join(made) + "\n"


def _plan(root: Path, out: Path, *policies: str, until: str = "2024-02-17T00:00:00Z") -> Plan:
    out.mkdir(parents=True, exist_ok=True)
    past.write(Workspace(root), load(root / "cdml.toml"), "late", [], out)
    spans = periods(parse_time(START), parse_time(until))
    return Plan("late", str(root / "cdml.toml"), str(out), list(policies), spans, 86_400.0, 1)


def _run(plan: Plan) -> dict[str, Any]:
    done: dict[str, Done] = {}
    for name in plan.policies:
        done[name] = Course(plan, name, lambda _share, _text: None).run()
    return result(plan, done, ["a test"], 0.0)


@pytest.fixture(scope="module")
def plan(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Plan:
    """What the whole backtest is about to do."""
    return _plan(root, tmp_path_factory.mktemp("out"), "frozen", "always", "current")


@pytest.fixture(scope="module")
def found(plan: Plan) -> dict[str, Any]:
    """One whole backtest."""
    return _run(plan)


def test_every_policy_has_its_periods_and_totals_beside_the_baselines(found: Any) -> None:
    assert set(found["policies"]) == {"frozen", "always", "current"}
    assert {"majority", "persistence"} <= set(found["baselines"])
    for policy in found["policies"].values():
        assert sum(p["n"] for p in policy["periods"]) == policy["total"]["n"] == 408
        for period in policy["periods"]:
            assert {"from", "to", "n", "metric", "kpi", "champion", "alerts"} <= set(period)
    assert found["policies"]["frozen"]["retrainings"] == 0
    assert found["policies"]["frozen"]["promotions"] == []
    always = found["policies"]["always"]
    assert len(always["promotions"]) == always["retrainings"] > 0
    assert found["baselines"]["majority"]["total"]["n"] == 408


def test_it_learns_what_the_rows_say(found: Any) -> None:
    frozen = found["policies"]["frozen"]["total"]["metric"]
    assert frozen < found["baselines"]["majority"]["total"]["metric"]
    assert found["ages"]["points"]
    # The second version came too late to be asked about a whole period.
    assert "not enough" in found["ages"]["said"]


def test_age_says_how_often_to_retrain(root: Path) -> None:
    own = load(root / "cdml.toml").models["late"]
    spans = [("2024-01-01T00:00:00Z", "2024-02-01T00:00:00Z")] * 3
    plan = Plan("late", "", "", [], spans, 86_400.0, 1)
    points = [
        {"age": age, "behind": 0.6 * age * own.gate.non_inferiority, "compared": 2}
        for age in range(3)
    ]
    assert "every 2 months" in ages.said(plan, own, points)
    assert "no version up to 1 month old" in ages.said(plan, own, points[:2])


def test_the_same_seed_says_the_same_and_a_killed_one_goes_on(
    root: Path, tmp_path: Path, found: Any
) -> None:
    plan = _plan(root, tmp_path / "again", "always")

    class KilledError(Exception):
        pass

    def kill(share: float, _text: str) -> None:
        if share > 0.6:
            raise KilledError

    with pytest.raises(KilledError):
        Course(plan, "always", kill).run()
    assert 0 < read_done(plan, "always").periods < len(plan.periods)
    again = _run(plan)
    assert _same(again) == _same(found)


def _same(found: dict[str, Any]) -> str:
    """Return what must not differ: all of the policy itself, the baselines and the ages."""
    own = {k: v for k, v in found["policies"]["always"].items() if k != "against_frozen"}
    return json.dumps([own, found["baselines"], found["ages"]], sort_keys=True)


@pytest.mark.parametrize("name", ["current", "always"])
def test_what_is_shared_or_left_out_changes_nothing(
    root: Path, tmp_path: Path, plan: Plan, found: Any, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The long way: every fit anew, every look restated, the way back rehearsed."""
    monkeypatch.setattr(course, "looking", lambda *_: monitor_run)
    alone = _plan(root, tmp_path / "out", name)
    said = _run(alone)["policies"][name]
    short = {k: v for k, v in found["policies"][name].items() if k != "against_frozen"}
    assert json.dumps(said, sort_keys=True) == json.dumps(short, sort_keys=True)
    assert _made(alone, name) == _made(plan, name)


def _made(plan: Plan, policy: str) -> dict[str, tuple[str | None, bytes]]:
    """Return the report and the manifest of each version of a policy, to the byte."""
    place = Workspace(plan.folder(policy))
    ledger, artifacts = Ledger(place.ledger), Artifacts(place.artifacts, place.keys)
    made = {
        v.version: (
            repr(v.report),
            msgspec.json.encode(artifacts.manifest(v.manifest or "")),
        )
        for v in ledger.versions(plan.model)
    }
    ledger.close()
    return made


def test_no_label_is_used_before_it_was_known(root: Path, tmp_path: Path) -> None:
    """Outcomes known after the moment of a training change nothing of what came before."""
    plan = _plan(root, tmp_path / "out", "always")
    Course(plan, "always", lambda _share, _text: None).run()
    place = Workspace(plan.folder("always"))
    ledger, artifacts = Ledger(place.ledger), Artifacts(place.artifacts, place.keys)
    trained = [v for v in ledger.versions("late") if not v.safe_mode]
    ledger.close()
    assert len(trained) == 2
    for version in trained:
        manifest = artifacts.manifest(version.manifest or "")
        # A row of the morning is known at half past eleven in the night, never before midnight.
        assert manifest.trained_to < version.created_at
    site_labels = _labels_by(plan, "2024-02-05T00:00:00Z")
    assert site_labels
    assert max(site_labels) <= "2024-02-05 00:00:00"


def _labels_by(plan: Plan, until: str) -> list[str]:
    """Return when the labels were known that a course stopped at a moment has in its store."""
    out = Path(plan.out).with_name("cut")
    out.mkdir()
    (out / "history.parquet").write_bytes((Path(plan.out) / "history.parquet").read_bytes())
    cut = msgspec.structs.replace(plan, out=str(out))

    class StopError(Exception):
        pass

    def stop(_share: float, text: str) -> None:
        if text == until[:10]:
            raise StopError

    with pytest.raises(StopError):
        Course(cut, "always", stop).run()
    from engine.store.connection import Store

    place = Workspace(cut.folder("always"))
    store = Store(place.store, place.batches)
    with store.read() as db:
        rows = db.execute("select cast(max(ts) as varchar) from labels").fetchall()
    store.close()
    return [r[0] for r in rows]


def test_a_named_policy_wins_over_the_model(root: Path, tmp_path: Path) -> None:
    plan = _plan(root, tmp_path / "out", "eager", until="2024-02-14T00:00:00Z")
    found = _run(plan)["policies"]["eager"]
    assert found["retrainings"] == 1


def test_a_transformation_is_replayed_by_the_text_that_stood_there(
    root: Path, tmp_path: Path
) -> None:
    here = tmp_path / "here"
    shutil.copytree(root, here)
    (here / "cdml.toml").write_text(
        (here / "cdml.toml").read_text() + '\n[models.late.transform]\nsql = "sql/late.sql"\n'
    )
    plan = _plan(here, tmp_path / "out", "frozen", until="2024-02-04T00:00:00Z")
    with pytest.raises(CdmlError, match="cannot be read"):
        _run(plan)
    (here / "sql").mkdir()
    (here / "sql" / "late.sql").write_text("select kind, wind > 12 as rough from rows")
    plan = _plan(here, tmp_path / "second", "frozen", until="2024-02-04T00:00:00Z")
    assert _run(plan)["policies"]["frozen"]["total"]["n"] == 96
    scratch = Workspace(plan.folder("frozen"))
    ledger = Ledger(scratch.ledger)
    digest = ledger.version("late", "v1").manifest or ""
    ledger.close()
    sealed = Artifacts(scratch.artifacts, scratch.keys).manifest(digest).transform
    assert sealed is not None
    assert (sealed.kept, [f.name for f in sealed.derived]) == (["kind"], ["rough"])


def test_an_error_of_a_course_crosses_to_the_process_that_waits() -> None:
    here = copy.copy(InvalidError("what is wrong", code="bad", field="late"))
    assert (type(here), str(here)) == (InvalidError, "what is wrong")
    assert (here.message, here.code, here.field) == ("what is wrong", "bad", "late")


def test_text_and_page_show_every_policy_and_need_nothing_else(found: Any) -> None:
    said, page = text(found), sheet(found)
    for name in ("frozen", "always", "current", "persistence"):
        assert name in said
        assert name in page
    assert "age of a version" in said
    assert page.count("<svg") >= 2
    assert "http" not in page.replace("http-equiv", "")


def test_the_command_leaves_json_and_page_and_nothing_else(
    root: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    before = sorted(p.relative_to(root) for p in root.rglob("*"))
    out = tmp_path / "out"
    words = ["late", "-w", str(root), "--from", "2024-02-10", "--policy", "frozen", "--json"]
    assert verb.main([*words, "--out", str(out)]) == 0
    told = json.loads(capfd.readouterr().out)
    assert told["policies"]["frozen"]["total"]["n"] > 200
    assert json.loads((out / "backtest.json").read_bytes()) == told
    assert sorted(p.name for p in out.iterdir()) == ["backtest.html", "backtest.json"]
    assert sorted(p.relative_to(root) for p in root.rglob("*")) == before


def test_the_history_of_a_workspace_is_what_it_accepted_and_trusts(tmp_path: Path) -> None:
    """Read beside an engine that holds the files; an id delivered twice counts once."""
    place = Place.made(tmp_path / "place")
    for first in (1, 2):
        ingest(place, "late", place.drop(f"{first}.csv", csv(first, 100)))
    ingest(place, "late", place.drop("again.csv", csv(2, 100) + csv(3, 10).split("\n", 1)[1]))
    ingest(place, "late", place.drop("bad.csv", "id,t\n1,never\n"))
    out = tmp_path / "out"
    out.mkdir()
    said = past.write(place.workspace, place.settings, "late", [], out)
    own = place.settings.models["late"]
    written = History(out / "history.parquet", own.target, own.time, None, own.id, timedelta())
    assert said == ["3 accepted batches of the workspace"]
    assert history.span(written).rows == 210
    place.close()


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nobody"], "no such model"),
        (["late", "--policy", "eagre"], '"eager"'),
        (["late", "--from", "2031-01-01"], "history reaches from"),
        (["late", "--data", "/nowhere/at/all.csv"], "No such file"),
        (["late", "--out", "/proc"], "something else"),
    ],
)
def test_what_cannot_be_replayed_is_said(
    root: Path, capfd: pytest.CaptureFixture[str], words: list[str], said: str
) -> None:
    assert verb.main([*words, "-w", str(root)]) == 2
    assert said in capfd.readouterr().err
