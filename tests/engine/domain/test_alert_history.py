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


def past(*days: str, version: str = "v1") -> list[Raised]:
    """Replay days: a letter for each that is beyond, all others within."""
    letters = {"w": WIND, "c": COST, "s": SOON, "l": LOSS}
    fine = {"value": 0.0, "low": 0.0, "high": 0.0}
    looks = [
        Looked(
            START + at * DAY,
            version,
            [f if letter in day else replace(f, **fine) for letter, f in letters.items()],
        )
        for at, day in enumerate(days)
    ]
    return replayed(looks, 2 * DAY)


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
    found = {w.kind: w for w in worth(past("w", "", "c", "", "", "", "", "w", "", "", "", ""))}
    drift = found["drift"]
    assert (drift.raised, drift.early, drift.late, drift.false) == (2, 1, 0, 1)
    assert drift.lead == 2 * DAY
    assert found["kpi"].lead is None
    assert worth([]) == []


@given(st.lists(st.sets(st.sampled_from("wcsl")), max_size=25))
@settings(max_examples=60, deadline=None)
def test_leads_are_ahead_and_only_of_what_is_early(days: list[set[str]]) -> None:
    for raised in past(*("".join(day) for day in days)):
        assert (raised.lead is not None) == (raised.outcome == "early")
        assert raised.lead is None or raised.lead > timedelta()
        assert (raised.outcome == "breach") == (raised.alert.finding.kind == "kpi")
