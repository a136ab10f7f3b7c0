"""Effect, evidence and patience begin an alert; it ends once; what a person quiets stays quiet."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from engine.domain.alerts import (
    RULES,
    Alert,
    Finding,
    Key,
    Quiet,
    Severity,
    Standing,
    State,
    judged,
    worst_first,
)

START = datetime(2024, 3, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def finding(
    value: float | None, kind: str = "drift", name: str = "wind", **more: object
) -> Finding:
    return replace(Finding(kind, name, value, 0.2, 500, "text"), **more)  # type: ignore[arg-type]


class Kept:
    """What a ledger would keep: alerts by number, judged look by look."""

    def __init__(self) -> None:
        self.alerts: dict[int, Alert] = {}
        self.at = START
        self.last = 0

    @property
    def standing(self) -> list[Alert]:
        return [a for a in self.alerts.values() if a.ended is None]

    def look(self, *found: Finding, version: str = "v1", days: float = 1.0) -> None:
        self.at += DAY * days
        mutes: dict[Key, Quiet] = {
            a.key: a.muted
            for a in self.alerts.values()
            if a.muted and a.muted.until and a.muted.until > self.at
        }
        for step in judged(self.standing, found, self.at, version, mutes):
            if step.after is None:
                assert step.before is not None
                assert step.before.opened is None, "only what never began is forgotten"
                del self.alerts[step.before.number]
            elif step.after.number:
                self.alerts[step.after.number] = step.after
            else:
                self.last += 1
                self.alerts[self.last] = replace(step.after, number=self.last)

    def only(self) -> Alert:
        (alert,) = self.alerts.values()
        return alert

    def state(self) -> State:
        return self.only().state(self.at)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (finding(None), Standing.UNKNOWN),
        (finding(float("nan")), Standing.UNKNOWN),
        (finding(0.2), Standing.WITHIN),
        (finding(0.3), Standing.BEYOND),
        (finding(float("inf")), Standing.BEYOND),
        (finding(0.1, above=False), Standing.BEYOND),
        (finding(0.3, evidence=19.0, boundary=20.0), Standing.UNSURE),
        (finding(0.3, evidence=20.0, boundary=20.0), Standing.BEYOND),
        (finding(0.3, evidence=None, boundary=20.0), Standing.UNSURE),
        (finding(0.1, evidence=99.0, boundary=20.0), Standing.WITHIN),
        (finding(0.3, low=0.1, high=0.5), Standing.UNSURE),
        (finding(0.3, low=0.25, high=0.5), Standing.BEYOND),
        (finding(0.1, low=0.05, high=0.3, above=False), Standing.UNSURE),
        (finding(0.3, judged=False), Standing.UNSURE),
        (finding(0.3, "realised", low=0.1, high=0.5), Standing.BEYOND),
    ],
)
def test_effect_and_evidence_decide_together(found: Finding, says: Standing) -> None:
    assert found.standing is says


def test_an_alert_stands_from_the_first_sure_look_to_the_first_within() -> None:
    kept = Kept()
    kept.look(finding(0.3))
    assert kept.only().opened == kept.only().since == START + DAY
    kept.look(finding(0.4))
    kept.look(finding(None))
    assert (kept.only().looks, kept.only().finding.value) == (2, 0.4)
    kept.look(finding(0.1))
    kept.look(finding(0.1), days=0)
    kept.look(finding(None))
    assert kept.state() is State.FIRING  # one look within the limit may be chance
    kept.look(finding(0.1))
    assert (kept.state(), kept.only().ended) == (State.ENDED, START + 6 * DAY)
    kept.look(finding(0.3))
    assert [a.number for a in kept.standing] == [2]


def test_an_alert_ends_at_once_only_where_it_is_surely_within() -> None:
    kept = Kept()
    kept.look(finding(0.3, low=0.25, high=0.5))
    kept.look(finding(0.1, low=0.05, high=0.3))
    kept.look(finding(0.3, low=0.1, high=0.5))
    kept.look(finding(0.1, low=0.05, high=0.3))
    assert (kept.state(), kept.only().calm) == (State.FIRING, 1)  # between, it was not within
    kept.look(finding(0.1, low=0.05, high=0.15))
    assert kept.state() is State.ENDED


def test_what_needs_patience_is_pending_and_forgotten_when_it_does_not_last() -> None:
    kept = Kept()
    kept.look(finding(0.3, "slice", judged=True))
    assert kept.state() is State.PENDING
    kept.look(finding(0.3, "slice", judged=True), days=0)
    assert kept.state() is State.PENDING  # the same look once more is no second look
    kept.look(finding(0.3, "slice", judged=False))
    assert kept.alerts == {}
    kept.look(finding(0.3, "slice", judged=True))
    kept.look(finding(None, "slice"))
    kept.look(finding(0.3, "slice", judged=True))
    assert (kept.state(), kept.only().severity) == (State.FIRING, Severity.CRIT)
    assert kept.only().since < (kept.only().opened or START)


def test_what_was_realised_is_a_warning_until_it_is_sure_or_stays() -> None:
    kept = Kept()
    unsure = finding(0.3, "realised", low=0.1, high=0.5)
    kept.look(unsure)
    assert kept.only().severity is Severity.WARN
    kept.look(unsure)
    assert kept.only().severity is Severity.CRIT
    sure = Kept()
    sure.look(finding(0.3, "realised", low=0.25, high=0.5))
    sure.look(unsure)
    assert sure.only().severity is Severity.CRIT  # it does not grow quieter while it stands


def test_a_new_champion_ends_what_was_said_of_the_old_one_but_not_what_clients_got() -> None:
    kept = Kept()
    kept.look(finding(0.3), finding(0.3, "kpi", "cost"))
    kept.look(finding(0.1), version="v2")
    drift, kpi = kept.alerts.values()
    assert (drift.why_ended, drift.version) == ("v1 no longer leads", "v1")
    assert (kpi.ended, kpi.version, kpi.looks) == (None, "v2", 1)


def test_an_acknowledged_alert_is_told_again_only_when_it_grows_worse() -> None:
    kept = Kept()
    unsure = finding(0.3, "realised", low=0.1, high=0.5)
    kept.look(unsure)
    assert kept.only().untold(kept.at)
    quiet = Quiet("ada", kept.at, "seen")
    kept.alerts[1] = replace(kept.only(), told=Severity.WARN, acked=quiet)
    assert (kept.state(), kept.only().untold(kept.at)) == (State.ACKNOWLEDGED, False)
    kept.look(unsure)
    assert (kept.state(), kept.only().untold(kept.at)) == (State.FIRING, True)


def test_a_mute_holds_for_its_time_through_worse_and_for_a_successor() -> None:
    kept = Kept()
    unsure = finding(0.3, "realised", low=0.1, high=0.5)
    kept.look(unsure)
    until = kept.at + 4 * DAY
    kept.alerts[1] = replace(kept.only(), muted=Quiet("ada", kept.at, "", until))
    kept.look(unsure)
    assert (kept.state(), kept.only().severity) == (State.MUTED, Severity.CRIT)
    kept.look(finding(0.1, "realised", high=0.15))
    kept.look(unsure)
    (successor,) = kept.standing
    assert successor.state(kept.at) is State.MUTED
    assert not successor.untold(kept.at)
    assert successor.untold(until)  # it is told when the time is over


def test_the_loudest_comes_first_then_what_harms_then_what_is_furthest_beyond() -> None:
    kept = Kept()
    kept.look(
        finding(0.3), finding(0.9, "drift", "temp"), finding(0.3, "kpi", "cost"),
        finding(0.3, "estimated", "loss"),
    )  # fmt: skip
    assert [a.key[1] for a in worst_first(kept.standing)] == ["cost", "loss", "temp", "wind"]


looks = st.lists(
    st.tuples(
        st.lists(
            st.builds(
                finding,
                st.one_of(st.none(), st.sampled_from([0.0, 0.2, 0.3, float("nan"), 9.0])),
                st.sampled_from(sorted(RULES)),
                st.sampled_from(["a", "b"]),
                judged=st.sampled_from([None, True, False]),
            ),
            max_size=4,
        ),
        st.sampled_from(["v1", "v2"]),
        st.sampled_from([0.0, 0.5, 1.0]),
        st.sampled_from(["", "ack", "mute"]),
    ),
    max_size=12,
)


@given(looks)
@settings(max_examples=150, deadline=None)
def test_no_walk_of_looks_and_persons_leads_to_a_contradiction(walk: list) -> None:  # type: ignore[type-arg]
    kept = Kept()
    over: dict[int, Alert] = {}
    for found, version, days, person in walk:
        before = {a.number: a for a in kept.standing}
        kept.look(*found, version=version, days=days)
        for number, alert in over.items():
            assert kept.alerts[number] == alert, "what ended stays as it ended"
        keys = [a.key for a in kept.standing]
        assert len(keys) == len(set(keys)), "one alert of a thing stands at a time"
        for number, alert in kept.alerts.items():
            if number in over:
                continue
            assert alert.version == version or alert.ended is not None
            assert alert.since <= (alert.opened or alert.since) <= alert.seen
            assert (alert.opened is not None) or alert.looks < alert.rule.patience
            assert alert.severity <= alert.rule.severity
            if (was := before.get(number)) is not None and was.opened is not None:
                assert alert.opened == was.opened
                assert alert.severity >= was.severity
            if alert.ended is not None:
                assert alert.opened is not None
                over[number] = alert
            elif alert.opened is not None and person:
                quiet = Quiet("ada", kept.at, "", kept.at + DAY if person == "mute" else None)
                after = replace(alert, **{"acked" if person == "ack" else "muted": quiet})
                kept.alerts[number] = after
                assert after.state(kept.at) in (State.ACKNOWLEDGED, State.MUTED)
                assert not after.untold(kept.at)
