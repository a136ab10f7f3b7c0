"""Pages in the Textual application, against a real engine on a real socket."""

from pathlib import Path

import flights
import msgspec
from test_app import night

from cdml_tui.state import Confirm, Typing
from engine import wire


async def test_a_run_is_opened_followed_and_cancelled(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        run = flights.jobs()[0]
        here.engine.pages |= {
            "/jobs": flights.jobs(),
            f"/jobs/{run.id}": run,
            f"/jobs/{run.id}/log": wire.RunLog(run.id, ["scored 2011 rows"]),
            f"POST /jobs/{run.id}/cancel": run,
        }
        await here.press("3")
        await here.until(lambda: "r-28" in here.text)
        await here.press("enter")
        await here.until(lambda: "scored 2011 rows" in here.text)
        more = wire.RunLog(run.id, ["scored 2011 rows", "compared"])
        here.engine.pages[f"/jobs/{run.id}/log"] = more
        await here.tick(1.1)
        await here.until(lambda: "compared" in here.text)
        await here.press("C")
        assert isinstance(here.console.state.bar, Confirm)
        await here.press("y")
        await here.until(lambda: "DONE: validate of late, r-31, is being cancelled" in here.text)
        ((place, body),) = here.engine.posted
        assert place == "POST /jobs/r-31/cancel"
        assert body["idempotency_key"]


async def test_a_note_is_typed_sent_and_shown(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        row = wire.IncidentRow(3, "late", "v3", "cost over .60", flights.ago(hours=4), None, 41)
        page = wire.IncidentPage(row, [])
        said = wire.IncidentNote(flights.ago(), "anna", "note", "R it is")
        noted = msgspec.structs.replace(page, timeline=[said])
        here.engine.pages |= {
            "/incidents": [row],
            "/incidents/3": page,
            "POST /incidents/3": noted,
        }
        await here.press("7")
        await here.until(lambda: "cost over .60" in here.text)
        await here.press("enter")
        await here.until(lambda: "Timeline, 0" in here.text)
        await here.press("n")
        assert isinstance(here.console.state.bar, Typing)
        for key in ("R", "space", "i", "t", "space", "i", "s"):
            await here.press(key, 0.2)
        here.engine.pages["/incidents/3"] = noted
        await here.press("enter")
        await here.until(lambda: "Timeline, 1" in here.text)
        assert here.engine.posted == [("POST /incidents/3", {"text": "R it is", "close": False})]


async def test_a_page_that_cannot_be_had_says_why_and_stays(tmp_path: Path) -> None:
    async with night(tmp_path) as here:
        await here.press("0")
        await here.until(lambda: "/api/v1/audit" in here.text)
        assert here.console.state.sheets
