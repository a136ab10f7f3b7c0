"""Alerts over a real ledger: told once, quieted, explained; the rules tried on the past."""

from collections.abc import Sequence
from datetime import timedelta

import pytest

from engine.domain.alerts import Finding, State
from engine.errors import CdmlError, ConflictError, InvalidError, RefusedError, UnknownError
from engine.pipeline import alert_page, alerts, overview
from engine.pipeline.alert_replay import replay
from engine.pipeline.promote import promote
from engine.pipeline.quiet import ack, mute
from engine.store import looks, scores
from engine.store.scores import Score
from engine.wire import AlertRequest, Change
from tests.engine.pipeline.place import PERSON, Place


def found(kind: str, name: str, value: float | None, limit: float = 0.5, **more: object) -> Finding:
    text = f"{kind} {name} {value}"
    return Finding(kind, name, value, limit, 300, text, **more)  # type: ignore[arg-type]


COST, FINE = found("kpi", "cost", 0.9), found("kpi", "cost", 0.1, high=0.2)
UNSURE = found("realised", "log_loss", 0.9, low=0.4, high=1.2)
WIND = found("drift", "wind", 0.7)


def look(place: Place, *those: Finding, days: float = 1.0) -> None:
    place.clock.passes(days=days)
    champion = place.ledger.roles("late").champion or ""
    alerts.settle(place, "late", those, champion, place.clock.now())


@pytest.fixture
def watched(place: Place) -> Place:
    place.champions(0.5, 0.4)
    return place


def asked(key: str = "k", **more: str) -> AlertRequest:
    return AlertRequest(key, more.get("for_"), more.get("reason", "known"))


def state(place: Place, number: int = 1) -> str:
    return alert_page.page(place, number).state


def test_each_change_is_told_once_and_critical_ones_open_an_incident(watched: Place) -> None:
    look(watched, WIND)
    look(watched, WIND)
    assert watched.told_of("alert") == ["drift wind 0.7"]
    assert overview.model_status(watched, "late").alerts == 1
    assert watched.ledger.incidents.standing("late") is None
    look(watched, WIND, COST)
    incident = watched.ledger.incidents.standing("late")
    assert incident is not None
    assert incident.title == "kpi cost 0.9"
    look(watched, FINE, WIND)
    look(watched, FINE, found("drift", "wind", 0.1, high=0.2))
    assert watched.told_of("alert")[1:] == [
        "kpi cost 0.9", "cost: within its limit again", "all within limits again",
    ]  # fmt: skip
    notes = watched.ledger.incidents.notes(incident.number)
    assert [n.text for n in notes if n.kind == "alert"] == ["kpi cost 0.9"]


def test_what_only_explains_is_told_once_for_all_of_its_kind(watched: Place) -> None:
    look(watched, WIND)
    look(watched, WIND, found("drift", "temp", 0.9))
    fine = found("drift", "wind", 0.1, high=0.2)
    look(watched, fine, found("drift", "temp", 0.9))
    assert watched.told_of("alert") == ["drift wind 0.7"]
    assert [a.key[1] for a in alerts.standing(watched, "late")] == ["temp"]
    ack(watched, 2, PERSON, asked())
    look(watched, WIND, found("drift", "temp", 0.9))
    assert watched.told_of("alert")[-1] == "drift wind 0.7"  # nobody knows of this one
    look(watched, fine, found("drift", "temp", 0.1, high=0.2))
    assert watched.told_of("alert")[-1] == "all within limits again"


def test_what_grows_worse_is_told_again_and_only_then_opens_an_incident(watched: Place) -> None:
    look(watched, UNSURE)
    assert watched.ledger.incidents.standing("late") is None
    look(watched, UNSURE)
    assert watched.ledger.incidents.standing("late") is not None
    look(watched, UNSURE)
    levels = [e.level for e in watched.ledger.events() if e.kind == "alert"]
    assert levels == ["WARN", "CRIT"]


def test_of_many_of_one_kind_the_worst_few_are_named(watched: Place) -> None:
    look(watched, *(found("drift", f"c{at}", 1.0 + at) for at in range(6)))
    (told,) = watched.told_of("alert")
    assert told == "drift c5 6.0; drift c4 5.0; drift c3 4.0 and 3 more"


def test_an_alert_is_called_by_what_it_is_about(watched: Place) -> None:
    about = (("kpi", "cost"), ("score drift", "score"), ("errors", "rows"), ("drift", "wind"))
    for kind, name in about:
        look(watched, found(kind, name, 0.9, judged=True))
        look(watched, found(kind, name, 0.9, judged=True))
    called = {alerts.called(a) for a in alerts.standing(watched, "late")}
    assert called == {"cost", "score drift", "errors rows", "drift wind"}


def test_a_look_without_evidence_changes_nothing(watched: Place) -> None:
    look(watched, COST)
    before = watched.ledger.alerts.standing("late")
    look(watched, found("kpi", "cost", None))
    look(watched)
    assert watched.ledger.alerts.standing("late") == before


def test_what_the_settings_no_longer_limit_ends(watched: Place) -> None:
    look(watched, COST, found("kpi", "gone", 0.9))
    look(watched)
    (row,) = [a for a in alert_page.listed(watched, "late", everything=True).alerts if a.ended]
    assert (row.name, row.why_ended) == ("gone", "no longer watched")
    assert [a.key for a in alerts.standing(watched, "late")] == [("kpi", "cost")]


def test_a_new_champion_ends_drift_and_takes_over_what_clients_got(watched: Place) -> None:
    look(watched, COST, WIND)
    v3 = watched.blessed(against="v2")
    promote(watched, "late", PERSON, Change("p", to=v3))
    shown = overview.model_state(watched, "late", None)
    assert (shown.breach, shown.alerts) == (None, [])  # said of v2, not of v3
    look(watched, COST)
    shown = overview.model_state(watched, "late", None)
    assert [(a.name, a.version) for a in shown.alerts] == [("cost", "v3")]
    assert watched.told_of("alert")[1:] == []  # that v3 leads was told already


def test_an_acknowledged_alert_leaves_the_header_and_is_audited(watched: Place) -> None:
    look(watched, COST, UNSURE)
    assert overview.model_state(watched, "late", None).breach == (
        "kpi cost 0.9; realised log_loss 0.9"
    )
    answer = ack(watched, 1, PERSON, asked())
    assert (answer.changed, answer.alert.state, answer.alert.acked_by) == (
        True, "acknowledged", "ada",
    )  # fmt: skip
    assert overview.model_state(watched, "late", None).breach == "realised log_loss 0.9"
    (entry,) = watched.ledger.audit_entries(limit=1)
    assert (entry.action, entry.actor, entry.reason) == ("ack", "ada", "known")
    assert entry.detail["alert"] == 1
    assert any(t.startswith("ada: alert 1 acknowledged") for t in watched.told_of("alert"))
    assert ack(watched, 1, PERSON, asked()) == answer  # the same request once more
    again = ack(watched, 1, PERSON, asked("k2"))
    assert (again.changed, again.message[:27]) == (False, "already acknowledged by ada")
    assert watched.ledger.audit_entries(limit=1) == [entry]
    with pytest.raises(ConflictError, match="used for alert 1"):
        ack(watched, 2, PERSON, asked())
    assert watched.ledger.audit_fault() is None


def test_a_mute_silences_but_records_and_ends_by_its_time(watched: Place) -> None:
    look(watched, UNSURE)
    answer = mute(watched, 1, PERSON, asked(for_="36h"))
    assert answer.alert.muted_until == "2024-03-03T12:20:00Z"
    told = watched.told_of("alert")
    look(watched, UNSURE)
    shown = overview.model_state(watched, "late", None)
    assert (shown.breach, shown.alerts[0].severity, shown.alerts[0].state) == (
        None, "CRIT", "muted",
    )  # fmt: skip
    assert watched.told_of("alert") == told
    look(watched, UNSURE)
    assert len(watched.told_of("alert")) == len(told) + 1
    assert state(watched) == "firing"
    mute(watched, 1, PERSON, asked("b", for_="9d"))
    assert "no longer muted" in mute(watched, 1, PERSON, asked("c", for_="0s")).message
    assert state(watched) == "firing"


def test_a_muted_end_is_not_told_either(watched: Place) -> None:
    look(watched, COST)
    mute(watched, 1, PERSON, asked())
    told = watched.told_of("alert")
    look(watched, FINE, days=0.5)
    assert watched.told_of("alert") == told
    assert state(watched) == "ended"


def test_only_what_stands_can_be_quieted(watched: Place) -> None:
    look(watched, COST, found("slice", "kind=c", 0.9, judged=True))
    with pytest.raises(RefusedError, match="1 of 2 looks") as pending:
        ack(watched, 2, PERSON, asked("a"))
    assert pending.value.code == "alert_pending"
    look(watched, FINE)
    with pytest.raises(RefusedError, match="within its limit again") as over:
        mute(watched, 1, PERSON, asked("b"))
    assert over.value.code == "alert_ended"
    head = watched.ledger.audit_head()
    for fault, error in (
        (lambda: ack(watched, 9, PERSON, asked("c")), UnknownError),
        (lambda: ack(watched, 1, PERSON, asked("d", for_="1d")), InvalidError),
        (lambda: mute(watched, 1, PERSON, asked("e", for_="soon")), InvalidError),
        (lambda: mute(watched, 1, PERSON, asked(" ")), InvalidError),
        (lambda: alert_page.listed(watched, "no", everything=False), UnknownError),
    ):
        with pytest.raises(error) as refused:
            fault()
        assert isinstance(refused.value, CdmlError)
    assert watched.ledger.audit_head() == head


def test_every_alert_says_what_to_do_next(watched: Place) -> None:
    look(watched, COST, WIND)
    row = alert_page.page(watched, 1)
    assert row.next[2].startswith("cdml rollback late")
    assert row.next[-2:] == ["cdml alert ack 1 --reason T", "cdml alert mute 1"]
    assert "cdml drift late" in alert_page.page(watched, 2).next
    listed = alert_page.listed(watched, None, everything=False)
    assert [a.number for a in listed.alerts] == [1, 2]
    assert "expected false alerts 0.05 a year" in listed.promise["late"]


def test_signals_show_the_state_of_their_alert(watched: Place) -> None:
    look(watched, COST)
    assert [s.alert for s in overview.model_state(watched, "late", None).signals][-2:] == [
        "firing", "",
    ]  # fmt: skip
    ack(watched, 1, PERSON, asked())
    alert = watched.ledger.alerts.standing("late")[0]
    assert alert.state(watched.clock.now()) is State.ACKNOWLEDGED
    marks = [s.alert for s in overview.model_state(watched, "late", None).signals]
    assert "acknowledged" in marks


# ---------------------------------------------------------------- the rules tried on the past


def history(place: Place, drift: Sequence[float], loss: Sequence[float | None]) -> None:
    """Store a look a day: the drift of the live day, the loss of the mature day before."""
    start, day = place.clock.now(), timedelta(days=1)
    for at, (psi, value) in enumerate(zip(drift, loss, strict=True)):
        now = start + at * day
        kept = [
            Score("late", "v2", "drift", "wind", now - day, now, psi, 300),
            Score("late", "served", "realised", "log_loss", now - 2 * day, now - day, value, 300),
            Score("late", "v2", "realised", "log_loss", now - 2 * day, now - day, value, 300),
        ]
        looks.record(place.store, "late", now, "v2")
        scores.put_look(place.store, "late", now, kept)


def test_a_replay_says_how_early_each_warning_came_and_changes_nothing(watched: Place) -> None:
    history(
        watched,
        [0.1, 0.3, 0.3, 0.1, 0.1, *[0.1] * 15, 0.3, 0.1, *[0.1] * 10],
        [0.4, 0.4, 0.4, 0.9, 0.9, *[0.4] * 27],
    )
    head, told = watched.ledger.audit_head(), watched.ledger.last_event()
    answer = replay(watched, "late")
    assert answer.looks == 32
    raised = [(a.kind, a.outcome, a.lead_days, a.severity) for a in answer.alerts]
    assert raised == [
        ("drift", "early", 2.0, "WARN"), ("realised", "breach", None, "CRIT"),
        ("drift", "false", None, "WARN"),
    ]  # fmt: skip
    drift = next(k for k in answer.kinds if k.kind == "drift")
    assert (drift.raised, drift.early, drift.late, drift.false, drift.lead_days) == (2, 1, 0, 1, 2)
    assert drift.a_year == pytest.approx(2 * 365.25 / 31)
    assert watched.ledger.audit_head() == head
    assert watched.ledger.last_event() == told
    assert watched.ledger.alerts.newest(None, everything=True) == []


def test_a_warning_of_what_stands_already_is_late_and_a_fresh_one_is_open(watched: Place) -> None:
    history(watched, [0.1, 0.3, 0.1, 0.1, 0.3], [0.9, 0.9, 0.4, 0.4, 0.4])
    assert [a.outcome for a in replay(watched, "late").alerts] == ["breach", "late", "open"]


def test_a_replay_of_nothing_says_so_and_one_of_a_part_is_of_that_part(watched: Place) -> None:
    assert replay(watched, "late").missing.startswith("no look is stored")
    history(watched, [0.1, 0.3, 0.3], [None, None, None])
    start = watched.clock.now()
    part = replay(watched, "late", start + timedelta(days=2), start + timedelta(days=9))
    assert (part.looks, [a.since for a in part.alerts]) == (1, ["2024-03-03T00:20:00Z"])
    assert part.kinds[0].a_year is None
