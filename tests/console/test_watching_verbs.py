"""The verbs that watch: alerts, incidents, clients and quality, as text and as JSON."""

import json
from pathlib import Path

import msgspec
import pytest

from cdml_tui import cli
from engine import wire
from tests.console import flights
from tests.console.socket_engine import T0, T1, Fake, M

Output = pytest.CaptureFixture[str]


def test_clients_are_listed_with_their_signs(fake: Fake, capsys: Output) -> None:
    row = wire.ClientRow(
        '"mallory\x1b[2J"', 900, 300, T0, T1, 1.0, 0.9, 0.4, 0.1, 0.0, 60, 12.0, ["probing"], T0
    )
    fake.routes[f"GET {M}/clients"] = (200, wire.ClientsAnswer("late", [row]))
    assert cli.main(["clients", "late"]) == 0
    text = capsys.readouterr().out
    assert "\x1b" not in text
    assert "probing" in text
    assert cli.main(["clients", "late", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["clients"][0]["signs"] == ["probing"]
    fake.routes[f"GET {M}/clients"] = (200, wire.ClientsAnswer("late", [], "nothing was asked"))
    assert cli.main(["clients", "late"]) == 0
    assert "nothing was asked" in capsys.readouterr().out


def test_incidents_are_listed_shown_noted_and_written_as_a_report(
    fake: Fake, capsys: Output, tmp_path: Path
) -> None:
    row = wire.IncidentRow(3, "late", "v2", "cost [bold]", "2024-03-01T00:00:00Z", None, 7)
    notes = [wire.IncidentNote("2024-03-01T00:00:00Z", "engine", "alert", "cost\x1b[31m 0.7")]
    fake.routes["GET /api/v1/incidents"] = (200, [row])
    fake.routes["GET /api/v1/incidents/3"] = (200, wire.IncidentPage(row, notes))
    fake.routes["POST /api/v1/incidents/3"] = (200, wire.IncidentPage(row, notes))
    report = wire.IncidentReport(3, "# Incident 3\n")
    fake.routes["GET /api/v1/incidents/3/report"] = (200, report)
    assert cli.main(["incident"]) == 0
    assert "cost [bold]" in capsys.readouterr().out
    assert cli.main(["incident", "3"]) == 0
    shown = capsys.readouterr().out
    assert "incident 3 of late: cost [bold]" in shown
    assert "\x1b" not in shown
    assert cli.main(["incident", "3", "--note", "seen", "--close"]) == 0
    assert fake.bodies[-1] == ("POST /api/v1/incidents/3", b'{"text":"seen","close":true}')
    target = tmp_path / "day.md"
    assert cli.main(["incident", "3", "--report", str(target)]) == 0
    assert target.read_text() == "# Incident 3\n"
    capsys.readouterr()
    assert cli.main(["incident", "3", "--report", "-"]) == 0
    assert capsys.readouterr().out == "# Incident 3\n"
    assert cli.main(["incident", "3", "--report", str(tmp_path)]) == 2
    assert cli.main(["incident", "--close"]) == 2


def test_alerts_are_listed_shown_and_quieted(fake: Fake, capsys: Output) -> None:
    row = flights.alert(3, text="cost\x1b[31m 0.7")
    fake.routes["GET /api/v1/alerts"] = (200, wire.AlertList([row], {"late": "at most so many"}))
    fake.routes["GET /api/v1/alerts/3"] = (200, row)
    answer = wire.AlertAnswer(row, 7, changed=True, message="alert 3 acknowledged: cost 0.7")
    for verb in ("ack", "mute"):
        fake.routes[f"POST /api/v1/alerts/3/{verb}"] = (200, answer)
    assert cli.main(["alerts", "--all"]) == 0
    shown = capsys.readouterr().out
    assert "late: at most so many" in shown
    assert "\x1b" not in shown
    assert cli.main(["alert", "3"]) == 0
    shown = capsys.readouterr().out
    assert "alert 3 of late v3: CRIT cost" in shown
    assert "costs: cost 0.634 USD per flight, limit 0.6\n" in shown
    assert "next: cdml performance late\n" in shown
    assert cli.main(["alert", "ack", "3", "--reason", "seen"]) == 0
    assert capsys.readouterr().out == "late: alert 3 acknowledged: cost 0.7\n"
    path, body = fake.bodies[-1]
    asked = msgspec.json.decode(body, type=wire.AlertRequest)
    assert (path, asked.reason, asked.for_) == ("POST /api/v1/alerts/3/ack", "seen", None)
    assert cli.main(["alert", "mute", "3", "--for", "12h", "--json"]) == 0
    assert msgspec.json.decode(fake.bodies[-1][1])["for"] == "12h"
    fake.routes["POST /api/v1/alerts/3/ack"] = (
        409, wire.ErrorAnswer(wire.ErrorBody("alert_ended", "Acknowledging alert 3: it ended.")),
    )  # fmt: skip
    assert cli.main(["alert", "ack", "3"]) == 4
    for words in (["alert"], ["alert", "stop", "3"], ["alert", "x"], ["alert", "3", "--for", "1d"],
                  ["alerts", "--from", "2024-01-01"]):  # fmt: skip
        assert cli.main(words) == 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "acknowledged", "acked_by": "ada"}, "acknowledged by ada"),
        ({"state": "muted", "muted_by": "ada", "muted_until": "2024-03-01T00:00:00Z"},
         "muted by ada until 2024-03-01T00:00:00Z"),
        ({"state": "ended", "ended": "2024-03-01T00:00:00Z", "why_ended": "over"},
         "ended 2024-03-01T00:00:00Z, over"),
    ],
)  # fmt: skip
def test_an_alert_says_who_quieted_it_and_how_it_ended(
    fake: Fake, capsys: Output, changes: dict[str, str], said: str
) -> None:
    fake.routes["GET /api/v1/alerts/3"] = (200, flights.alert(3, **changes))
    assert cli.main(["alert", "3"]) == 0
    assert f"state: {said}\n" in capsys.readouterr().out


def test_rules_are_tried_on_the_past(fake: Fake, capsys: Output) -> None:
    time = "2024-03-01T00:00:00Z"
    raised = wire.ReplayedAlert(
        "drift", "wind", "v1", "WARN", "drift wind psi 0.30", time, time, None, "early", 2.0
    )
    kinds = [wire.ReplayedKind("drift", 1, 12.5, 1, 0.5, 1, 0, 0, 2.0)]
    answer = wire.AlertReplay("late", time, time, 30, [raised], kinds, "a promise")
    fake.routes["GET /api/v1/models/late/alerts/replay"] = (200, answer)
    words = ["alerts", "late", "--replay", "--from", "2024-01-01"]
    assert cli.main(words) == 0
    shown = capsys.readouterr().out
    assert "late: 30 looks from 2024-03-01T00:00:00Z" in shown
    assert "drift wind psi 0.30" in shown
    assert "12.5" in shown
    assert cli.main([*words, "--json"]) == 0
    assert msgspec.json.decode(capsys.readouterr().out)["from"] == time
    nothing = wire.AlertReplay("late", None, None, 0, [], [], "a promise", "no look is stored")
    fake.routes["GET /api/v1/models/late/alerts/replay"] = (200, nothing)
    assert cli.main(words) == 0
    assert capsys.readouterr().out == "late: no look is stored\n"


def checked(name: str, *, wrong: bool, value: float | None, unit: str = "share") -> wire.QualityRow:
    return wire.QualityRow(
        name=name, check="nulls", column=None, value=value, unit=unit, n=400, expected=0.1,
        limit=0.35 if unit == "share" else None, at_least=False, wrong=wrong, says="what it says",
        found="what was found", missing="" if value is not None else "not enough: 3 of 200",
        next="do this" if wrong else "", from_=T0, to=T1,
    )  # fmt: skip


def test_quality_shows_each_check_and_what_to_do_about_the_wrong(
    fake: Fake, capsys: Output
) -> None:
    rows = [
        checked("nulls wind", wrong=True, value=0.5),
        checked("label delay p50", wrong=False, value=7200.0, unit="s"),
        checked("schema", wrong=False, value=None),
    ]
    fake.routes[f"GET {M}/quality"] = (200, wire.QualityAnswer("late", "v2", T1, rows))
    assert cli.main(["quality", "late"]) == 0
    out = capsys.readouterr().out
    assert out.startswith("late v2: 1 wrong\n")
    assert "! nulls wind" in out
    for shown in ("50.00%", "10.00%", "<= 35.00%", "7200 s", "not enough: 3 of 200"):
        assert shown in out
    assert out.endswith("nulls wind: do this\n")
    empty = wire.QualityAnswer("late", "v2", "", [], "not measured yet")
    fake.routes[f"GET {M}/quality"] = (200, empty)
    assert cli.main(["quality", "late"]) == 0
    assert capsys.readouterr().out == "late v2: not measured yet\n"
