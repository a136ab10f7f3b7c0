"""Alerts are kept as they were found, all changes of a look or none, and survive a restart."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from engine.domain.alerts import Alert, Finding, Key, Quiet, Severity, Step, ended
from engine.ledger.change import Actor
from engine.ledger.ledger import Ledger

NOW = datetime(2024, 3, 1, 12, 0, 0, 250000, tzinfo=UTC)
PERSON = Actor("human", "ada", 1000, 77)
FOUND = Finding(
    "kpi", "cost", 0.9, 0.5, 300, "cost 0.900", low=0.8, high=1.0, cost="cost 0.9", because="wind"
)
NEW = Alert("v1", Severity.CRIT, NOW, NOW, 1, FOUND, opened=NOW)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    found = Ledger(tmp_path / "ledger.sqlite")
    yield found
    found.close()


def begin(ledger: Ledger, *alerts: Alert) -> None:
    ledger.alerts.settle("late", NOW, lambda _, __: [Step(None, alert) for alert in alerts])


def test_an_alert_comes_back_as_it_was_recorded(ledger: Ledger, tmp_path: Path) -> None:
    begin(ledger, NEW)
    (alert,) = ledger.alerts.standing("late")
    assert alert == replace(NEW, number=1)
    quiet = Quiet("ada", NOW, "known", NOW + timedelta(days=1))
    full = replace(alert, acked=replace(quiet, until=None), muted=quiet, told=Severity.CRIT)
    ledger.alerts.replace(full)
    again = Ledger(tmp_path / "ledger.sqlite")
    assert again.alerts.of_number(1) == ("late", full)
    again.close()
    assert ledger.alerts.standing("other") == []
    assert ledger.alerts.of_number(2) is None


def test_a_look_changes_all_of_it_or_nothing(ledger: Ledger) -> None:
    begin(ledger, NEW)

    def half(standing: list[Alert], _: Mapping[Key, Quiet]) -> list[Step]:
        return [Step(standing[0], ended(standing[0], NOW, "over")), Step(None, None)]

    def broken(standing: list[Alert], mutes: Mapping[Key, Quiet]) -> list[Step]:
        half(standing, mutes)
        raise RuntimeError

    with pytest.raises(RuntimeError):
        ledger.alerts.settle("late", NOW, broken)
    assert len(ledger.alerts.standing("late")) == 1
    ledger.alerts.settle("late", NOW, half)
    assert ledger.alerts.standing("late") == []


def test_pending_ones_are_listed_only_with_everything(ledger: Ledger) -> None:
    begin(ledger, NEW, replace(NEW, opened=None, finding=replace(FOUND, kind="slice")))
    first, pending = ledger.alerts.standing("late")
    ledger.alerts.settle("late", NOW, lambda _, __: [Step(first, ended(first, NOW, "over"))])
    assert ledger.alerts.newest(None, everything=False) == []
    assert [a.number for _, a in ledger.alerts.newest("late", everything=True)] == [2, 1]
    ledger.alerts.settle("late", NOW, lambda _, __: [Step(pending, None)])
    assert [a.number for _, a in ledger.alerts.newest("late", everything=True)] == [1]


def test_what_was_told_is_the_severity_of_then(ledger: Ledger) -> None:
    begin(ledger, NEW)
    ledger.alerts.told([1])
    (alert,) = ledger.alerts.standing("late")
    assert alert.told is Severity.CRIT


def test_a_mute_of_an_ended_alert_is_handed_on_until_its_time_is_over(ledger: Ledger) -> None:
    begin(ledger, NEW)
    (alert,) = ledger.alerts.standing("late")
    mute = Quiet("ada", NOW, "", NOW + timedelta(days=1))
    over = ended(replace(alert, muted=mute), NOW, "over")
    ledger.alerts.settle("late", NOW, lambda _, __: [Step(alert, over)])
    seen: list[dict[Key, Quiet]] = []

    def look(_: list[Alert], mutes: Mapping[Key, Quiet]) -> list[Step]:
        seen.append(dict(mutes))
        return []

    ledger.alerts.settle("late", NOW + timedelta(hours=23), look)
    ledger.alerts.settle("late", NOW + timedelta(hours=24), look)
    assert seen == [{("kpi", "cost"): mute}, {}]


def test_a_change_that_fails_quiets_nothing(ledger: Ledger) -> None:
    begin(ledger, NEW)
    (alert,) = ledger.alerts.standing("late")
    with (  # noqa: PT012 - what is tested is that all of this is undone
        pytest.raises(RuntimeError),
        ledger.change(PERSON, "ack", "late", now=NOW, wall=NOW),
    ):
        ledger.alerts.replace(replace(alert, acked=Quiet("ada", NOW, "")))
        raise RuntimeError
    assert ledger.alerts.standing("late") == [alert]
