"""Which version answers, and what is counted of it."""

import pytest

from engine.domain.roles import Roles
from engine.serving.asked import AskedColumns, AskedRows
from engine.serving.router import routing_unit, takes_canary
from engine.serving.tally import Tally
from engine.wire import PredictRow, Scalar


@pytest.mark.parametrize(
    ("unit", "client", "row_id", "features", "expected"),
    [
        ("client", "tower", "f-1", {}, "tower"),
        ("client", "", "f-1", {}, "f-1"),
        ("client", "", None, {}, "p-1"),
        ("id", "tower", "f-1", {}, "f-1"),
        ("id", "tower", None, {}, "p-1"),
        ("carrier", "tower", "f-1", {"carrier": "AA"}, "AA"),
        ("number", "tower", "f-1", {"number": 7}, "7"),
        ("number", "tower", "f-1", {"number": 7.0}, "7"),
        ("number", "tower", "f-1", {"number": None}, "p-1"),
        ("holiday", "tower", "f-1", {"holiday": True}, "True"),
    ],
)
def test_the_routing_unit_is_what_the_settings_say(
    unit: str, client: str, row_id: str | None, features: dict[str, Scalar], expected: str
) -> None:
    rows = AskedRows([PredictRow(features, id=row_id)])
    assert routing_unit(unit, client, rows, 0, "p-1") == expected
    columns = AskedColumns({name: [value] for name, value in features.items()}, [row_id])
    assert routing_unit(unit, client, columns, 0, "p-1") == expected


def test_units_stay_with_their_arm_when_the_share_grows() -> None:
    def canary_units(share: float) -> set[str]:
        roles = Roles(canary="v2", canary_share_pct=share, salt="s")
        return {f"u{n}" for n in range(2000) if takes_canary(roles, f"u{n}")}

    ten, fifty = canary_units(10.0), canary_units(50.0)
    assert ten < fifty
    assert 0.08 < len(ten) / 2000 < 0.12
    assert not takes_canary(Roles(champion="v1"), "u1")


def test_answers_are_counted_since_the_generation_began() -> None:
    tally = Tally()
    tally.generation("late", 1)
    tally.answered("late", 1, "v1", 3, 2.0)
    tally.generation("late", 2)
    tally.answered("late", 1, "v1", 5, 4.0)
    tally.answered("late", 2, "v2", 7, 6.0)
    tally.generation("late", 2)
    assert tally.by_version("late") == {"v2": 7}
    assert list(tally.quantiles("late")) == [("v1", 4.0, 4.0, 2), ("v2", 6.0, 6.0, 1)]
    assert tally.by_version("other") == {}


def test_the_rate_is_over_the_last_ten_whole_seconds() -> None:
    tally = Tally()
    for n in range(3000):
        tally.request(100.0 + n / 100.0)
    assert tally.rate(130.0) == 100.0
    assert tally.rate(135.0) == 50.0
    assert tally.rate(200.0) == 0.0
    assert tally.requests == 3000
