"""What warnings of the past were worth: early, late, false, or too soon to say."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.alert_history import Looked, Raised, replayed, worth
from engine.domain.alerts import Finding

START = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)
WIND = Finding("drift", "wind", 0.3, 0.2, 500, "wind")
COST = Finding("kpi", "cost", 0.9, 0.5, 500, "cost")
SOON = Finding("forecast", "cost", 0.9, 0.5, 500, "cost soon")
LOSS = Finding("estimated", "loss", 0.9, 0.5, 500, "loss soon")


def looked(*days: str) -> list[Looked]:
    """Return looks a day apart: a letter for each that is beyond, all others within."""
    letters = {"t": replace(WIND, name="temp"), "w": WIND, "c": COST, "s": SOON, "l": LOSS}
    fine = {"value": 0.0, "low": 0.0, "high": 0.0}
    return [
        Looked(
            START + at * DAY,
            "v1",
            [f if letter in day else replace(f, **fine) for letter, f in letters.items()],
        )
        for at, day in enumerate(days)
    ]


def past(*days: str) -> list[Raised]:
    return replayed(looked(*days), 2 * DAY)


def outcomes(found: list[Raised]) -> dict[str, tuple[str, float | None]]:
    return {
        r.alert.finding.kind: (r.outcome, None if r.lead is None else r.lead / DAY) for r in found
    }


def test_a_warning_is_early_while_it_stands_or_soon_after() -> None:
    assert outcomes(past("", "w", "w", "w", "wc")) == {
        "drift": ("early", 3),
        "kpi": ("breach", None),
    }
    assert outcomes(past("w", "", "", "c"))["drift"] == ("early", 3)


def test_a_warning_that_nothing_follows_is_false_and_open_until_that_is_sure() -> None:
    assert outcomes(past("w", "", "", "", "c"))["drift"] == ("false", None)
    assert outcomes(past("w", "", ""))["drift"] == ("open", None)
    assert outcomes(past("w", "w", "w"))["drift"] == ("open", None)


def test_a_warning_of_what_stands_already_is_late() -> None:
    assert outcomes(past("c", "wc"))["drift"] == ("late", None)
    assert outcomes(past("wc"))["drift"] == ("late", None)


def test_what_is_foretold_of_one_number_is_no_warning_of_another() -> None:
    found = outcomes(past("sl", "sl", "c", "", "", "", ""))
    assert found["forecast"] == ("early", 2)
    assert found["estimated"] == ("false", None)


def test_the_worth_of_a_kind_is_the_sum_of_its_alerts() -> None:
    days = ("w", "wt", "c", "", "", "", "", "w", "", "", "", "")
    found = {w.kind: w for w in worth(past(*days), looked(*days))}
    drift = found["drift"]
    assert (drift.raised, drift.early, drift.late, drift.false) == (3, 2, 0, 1)
    assert (drift.told, drift.stood) == (2, 3 / 12)  # of both columns of the first days once
    assert drift.lead == 1.5 * DAY
    assert (found["kpi"].told, found["kpi"].lead) == (1, None)
    assert worth([], []) == []


@given(st.lists(st.sets(st.sampled_from("wcsl")), max_size=25))
@settings(max_examples=60, deadline=None)
def test_leads_are_ahead_and_only_of_what_is_early(days: list[set[str]]) -> None:
    for raised in past(*("".join(day) for day in days)):
        assert (raised.lead is not None) == (raised.outcome == "early")
        assert raised.lead is None or raised.lead > timedelta()
        assert (raised.outcome == "breach") == (raised.alert.finding.kind == "kpi")
