"""Attack signs live: seen in the log, told once with a plan, never acted upon, and ended."""

import json
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from engine.artifacts import ManifestFeature
from engine.clock import iso
from engine.domain.attacks import Kind
from engine.domain.lifecycle import Event
from engine.pipeline import attacks, incidents, lookout, signs
from engine.pipeline.ingest import ingest
from engine.pipeline.promote import promote
from engine.store import predictions
from engine.store.predictions import Block
from engine.wire import Change, ClientRow
from tests.engine.pipeline.place import PERSON, START, Place, roles

Rows = list[dict[str, Any]]
FEATURES = (
    ManifestFeature("gust", "numeric", nullable=True),
    ManifestFeature("kind", "categorical", nullable=True, categories=["a", "b", "c", "d"]),
    ManifestFeature("wind", "numeric", nullable=True),
)


def honest(rng: np.random.Generator, n: int) -> Rows:
    """Each kind has winds and gusts of its own."""
    kinds = rng.integers(4, size=n)
    winds = 10.0 * kinds + rng.normal(0, 2, size=n)
    return [
        {"kind": "abcd"[k], "wind": float(w), "gust": float(w * 1.4 + rng.normal(0, 1))}
        for k, w in zip(kinds, winds, strict=True)
    ]


def made_up(rng: np.random.Generator, n: int) -> Rows:
    return [
        {"kind": "abcd"[int(rng.integers(4))], "wind": float(w), "gust": float(g)}
        for w, g in zip(rng.uniform(-5, 36, size=n), rng.uniform(-7, 50, size=n), strict=True)
    ]


def jitter(rng: np.random.Generator, n: int) -> Rows:
    case = honest(rng, 1)[0]
    return [case | {"wind": case["wind"] + float(rng.normal(0, 0.3))} for _ in range(n)]


@pytest.fixture
def watched(place: Place) -> Place:
    """A champion trained on delivered rows that hang together."""
    rng = np.random.default_rng(1)
    lines = ["id,t,kind,wind,gust,late"]
    for at, row in enumerate(honest(rng, 4_000)):
        t = iso(START - timedelta(minutes=10 * (4_000 - at)))
        lines.append(
            f"{at},{t},{row['kind']},{row['wind']:.3f},{row['gust']:.3f},{str(at % 2 == 0).lower()}"
        )
    batch = ingest(place, "late", place.drop("rows.csv", "\n".join(lines))).batch
    assert batch
    version = place.version(
        Event.VALIDATION_BEGAN, Event.GATE_PASSED, features=FEATURES, batches=[batch],
        trained=("2024-01-01T00:00:00Z", iso(START)),
    )  # fmt: skip
    promote(place, "late", PERSON, Change("p", to=version))
    return place


def ask(place: Place, client: str | None, rows: Sequence[dict[str, Any]]) -> None:
    """Put rows into the log as serving would have written them."""
    tag, ts = f"{client}{place.store.changes}", iso(place.clock.now())[:-1]
    block = [
        ("late", f"{tag}-{at}", f"{tag}-{at}", ts, ts, client, 1, "v1", "champion",
         json.dumps(row), "[0.5]", str(row["wind"] * 1000 % 2 < 1).lower(), "", 1.0)
        for at, row in enumerate(rows)
    ]  # fmt: skip
    predictions.load(place.store, Block(block, [], [], {}))


def look(place: Place) -> list[str]:
    """Look at the log; return what was told of attacks so far."""
    attacks.watch(place, "late")
    return place.told_of("alert")


def row_of(place: Place, client: str) -> ClientRow:
    return next(c for c in attacks.clients(place, "late").clients if c.client == f'"{client}"')


@pytest.mark.parametrize(
    ("asked", "kind"), [(made_up, Kind.EXTRACTION), (jitter, Kind.PROBING)], ids=["copy", "probe"]
)
def test_an_attacker_is_told_once_with_a_plan_and_nothing_is_done(
    watched: Place, asked: Any, kind: Kind
) -> None:
    rng, before = np.random.default_rng(2), roles(watched)
    ask(watched, "mallory", asked(rng, 120))
    ask(watched, "alice", honest(rng, 300))
    told = look(watched)
    assert len(told) == 1
    assert '"mallory"' in told[0]
    assert "120 distinct rows" in told[0]
    ask(watched, "mallory", asked(rng, 120))
    assert look(watched) == told
    number = incidents.standing(watched, "late")
    assert number is not None
    plan = [n.text for n in incidents.page(watched, number.number).timeline if "Plan" in n.text]
    assert len(plan) == 1
    assert "token revoke" in plan[0]
    assert "cdml rollback late --attack" in plan[0]
    assert "cdml taint late --from" in plan[0]
    assert roles(watched) == before
    assert row_of(watched, "mallory").signs == [kind.value]
    assert row_of(watched, "alice").signs == []


def test_a_sign_is_seen_in_fifty_rows_that_come_one_by_one(watched: Place) -> None:
    for row in made_up(np.random.default_rng(3), 49):
        ask(watched, "mallory", [row])
        assert look(watched) == []
    ask(watched, "mallory", made_up(np.random.default_rng(4), 1))
    assert len(look(watched)) == 1


def test_a_sign_ends_when_the_client_asks_as_others_do_and_may_begin_anew(watched: Place) -> None:
    rng = np.random.default_rng(5)
    ask(watched, "mallory", made_up(rng, 100))
    look(watched)
    ask(watched, "mallory", honest(rng, 300))
    told = look(watched)
    assert len(told) == 2
    assert told[1].startswith("attack extraction by")
    assert signs.standing(watched, "late") == []
    ask(watched, "mallory", made_up(rng, 300))
    assert len(look(watched)) == 3


def test_a_sign_ends_after_a_silent_day(watched: Place) -> None:
    ask(watched, "mallory", made_up(np.random.default_rng(6), 100))
    look(watched)
    watched.clock.passes(hours=23)
    assert len(look(watched)) == 1
    watched.clock.passes(hours=2)
    assert look(watched)[-1].endswith("it asked little for a day")


def test_a_closed_incident_is_not_opened_again_by_a_sign_that_goes_on(watched: Place) -> None:
    rng = np.random.default_rng(7)
    ask(watched, "mallory", made_up(rng, 100))
    look(watched)
    number = incidents.standing(watched, "late")
    assert number is not None
    incidents.add(watched, number.number, PERSON, "", close=True)
    ask(watched, "mallory", made_up(rng, 100))
    look(watched)
    assert incidents.standing(watched, "late") is None


def test_the_same_row_again_and_again_is_no_sign(watched: Place) -> None:
    ask(watched, "retry", honest(np.random.default_rng(8), 60) * 20)
    assert look(watched) == []
    found = row_of(watched, "retry")
    assert (found.total, found.distinct, found.near_rate) == (1200, 60, found.near_rate)


def test_a_client_of_one_kind_only_is_no_sign(watched: Place) -> None:
    mine = [r for r in honest(np.random.default_rng(17), 1500) if r["kind"] == "b"]
    ask(watched, "carrier", mine[:300])
    assert look(watched) == []


def test_rows_without_a_client_are_one_client(watched: Place) -> None:
    rng = np.random.default_rng(9)
    ask(watched, None, made_up(rng, 30))
    ask(watched, "", made_up(rng, 30))
    told = look(watched)
    assert len(told) == 1
    assert "client (none)" in told[0]


def test_the_probe_of_the_engine_is_no_client(watched: Place) -> None:
    ask(watched, "cdml-probe", made_up(np.random.default_rng(10), 100))
    assert look(watched) == []
    assert attacks.clients(watched, "late").clients == []


def test_text_of_clients_is_inert_and_short(watched: Place) -> None:
    name = "\x1b[31mevil\n\x07" + "x" * 120
    ask(watched, name, [r | {"kind": "\x1b[2J"} for r in made_up(np.random.default_rng(11), 60)])
    ask(watched, name, made_up(np.random.default_rng(12), 100))
    told = look(watched)
    assert len(told) == 1
    assert told[0].isprintable()
    assert "x" * 65 not in told[0]


def test_a_flood_of_client_names_tells_of_a_few_and_keeps_memory(watched: Place) -> None:
    rng = np.random.default_rng(13)
    for at in range(signs.MOST + 5):
        ask(watched, f"m{at}", made_up(rng, 50))
    assert len(look(watched)) == signs.MOST
    assert len(attacks.clients(watched, "late").clients) == signs.MOST + 6
    ask(watched, "eve", jitter(rng, 60))
    assert '"eve" seems to probe' in look(watched)[-1]


def test_who_takes_a_new_name_for_each_row_is_seen_among_those_of_few_rows(
    watched: Place,
) -> None:
    rng = np.random.default_rng(16)
    for at, row in enumerate(honest(rng, 200)):
        ask(watched, f"h{at}", [row])
    assert look(watched) == []
    for at, row in enumerate(made_up(rng, 250)):
        ask(watched, f"m{at}", [row])
    told = look(watched)
    assert len(told) == 1
    assert "client (all of few rows) seems to copy" in told[0]


def test_after_a_restart_the_log_is_read_again_and_nothing_is_told_twice(watched: Place) -> None:
    ask(watched, "mallory", made_up(np.random.default_rng(14), 100))
    look(watched)
    watched.watched.clear()
    assert len(look(watched)) == 1
    assert row_of(watched, "mallory").signs == [Kind.EXTRACTION.value]


def test_without_training_rows_or_champion_nothing_is_said_and_the_reason_is_there(
    place: Place, tmp_path: Path
) -> None:
    lookout.look(place)
    assert "nothing was asked" in attacks.clients(place, "late").missing
    place.champions(0.5)
    ask(place, "mallory", made_up(np.random.default_rng(15), 100))
    assert look(place) == []
    assert attacks.clients(place, "late").missing.startswith("not enough")
