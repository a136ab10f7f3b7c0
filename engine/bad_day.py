"""`cdml demo --incident`: a bad day by script, through the same routes as a person.

A redelivered file has most labels of two months turned around. It is set aside, and accepted in
spite of the reasons; what is trained on it fails the gate and is promoted by hand all the same.
Headless the script takes it back, taints the file and writes the report; at a console that is
left to whoever sits there.
"""

import os
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from threading import Event
from typing import Any

from engine.clock import iso, parse_time
from engine.domain.rollbacks import HELPED
from engine.errors import CdmlError
from engine.replay import Replay
from engine.store import excerpts
from engine.workspace import Workspace

# v1 is trained on all before; by July 13 the weekly training has rows newer than what v1 has seen.
START = datetime(2013, 6, 22, 5, tzinfo=UTC)
DELIVERED = datetime(2013, 7, 9, 5, tzinfo=UTC)
ACCEPTED = datetime(2013, 7, 10, 5, tzinfo=UTC)
POISONED_FROM = datetime(2013, 5, 1, tzinfo=UTC)
POISONED_TO = datetime(2013, 7, 1, tzinfo=UTC)
PROMOTED = datetime(2013, 7, 14, 5, tzinfo=UTC)
PATIENCE = timedelta(days=7)
# Meanwhile the KPI breaches as well, then the carrier with the most flights.
HESITATION = timedelta(days=3)
AFTER = 8  # one window of mature labels, and the next look of the monitor
SHARE_PCT = 80
# What summer storms alone do to the metric shall not breach it.
SUMMER = ("metric_limit = 0.55", "metric_limit = 0.65")
FILE = "redelivered-may-june.parquet"

Tell = Callable[[dict[str, Any]], None]


@dataclass(slots=True)
class BadDay:
    """The script: what it plays on, and what it has found out so far."""

    replay: Replay
    workspace: Workspace
    seed: int
    tell: Tell
    now: datetime = START

    def leave_to_a_person(self, stopping: Event) -> None:
        """Play until the bad version leads, and go on with the flights: the rest is a person's."""
        self._deliver(stopping)
        self._accept(stopping)
        self._promote(stopping)
        self._until(PROMOTED + PATIENCE * 3, stopping)

    def run(self, days_after: int, stopping: Event) -> dict[str, Any]:
        """Play it all and return what it came to."""
        turned = self._deliver(stopping)
        set_aside = self._accept(stopping)
        bad = self._promote(stopping)
        incident = self._wait_for_incident(stopping)
        back = self._take_back(bad)
        self._taint(bad)
        self._until(self.now + timedelta(days=days_after), stopping)
        return self._summary(turned, set_aside, bad, incident, back)

    # -- the script

    def _deliver(self, stopping: Event) -> tuple[int, int]:
        """Drop the poisoned file when its day has come."""
        self._until(DELIVERED, stopping)
        source = self.replay.source
        found = excerpts.poisoned(
            source.path,
            self.workspace.incoming(source.model) / FILE,
            (source.id, source.time, source.target),
            POISONED_FROM,
            POISONED_TO,
            SHARE_PCT,
            self.seed,
        )
        self._say(
            f"poison: {FILE} delivers {found[0]} flights of May and June again, the label of "
            f"{found[1]} turned around"
        )
        return found

    def _accept(self, stopping: Event) -> list[str]:
        """Accept the file by hand although it was set aside; return the reasons it was for."""
        self._until(ACCEPTED, stopping)
        waiting = [b for b in self._get("quarantine") if b["file"] == FILE]
        if not waiting:
            raise CdmlError(
                f'Playing the bad day: "{FILE}" was not set aside. Look with cdml quarantine.',
                code="demo_failed",
            )
        reasons: list[str] = waiting[0]["reasons"]
        self._say(f"set aside: {FILE}: {'; '.join(reasons)}")
        asked = {"verb": "accept", "batch": waiting[0]["batch"]}
        answer = self._post("quarantine", **asked, reason="the vendor calls them corrections")
        self._say(f"by hand: accepted all the same: {answer['message']}")
        return reasons

    def _promote(self, stopping: Event) -> str:
        """Promote by hand what was trained on it, in spite of its gate."""
        self._until(PROMOTED, stopping)
        rows = self._get("versions")
        bad: str = next(v["version"] for v in rows if not v["safe_mode"] and not v["roles"])
        verdict = next(v["verdict"] for v in rows if v["version"] == bad)
        self._say(f"by hand: promote {bad} although its gate says {verdict}")
        self._post("promote", to=bad, override=[bad], reason="two months more of fresh labels")
        return bad

    def _wait_for_incident(self, stopping: Event) -> int:
        end = self.now + PATIENCE
        while self.now < end and not stopping.is_set():
            self._until(self.now + timedelta(days=1), stopping)
            opened = [i for i in self.replay.engine.get("/api/v1/incidents") if not i["closed"]]
            if opened and parse_time(opened[0]["opened"]) > PROMOTED:
                number: int = opened[0]["number"]
                self._say(f"incident {number}: {opened[0]['title']}")
                self._until(self.now + HESITATION, stopping)
                return number
        raise CdmlError(
            f"Playing the bad day: no incident opened within {PATIENCE.days} days of a poisoned "
            "champion. Look with cdml events.",
            code="demo_failed",
        )

    def _take_back(self, bad: str) -> dict[str, Any]:
        asked = {"expect": bad, "reason": "worse since it leads"}
        answer: dict[str, Any] = self._post("rollback", **asked)
        self._say(f"by hand: {answer['message']}")
        return answer

    def _taint(self, bad: str) -> None:
        used = self._get(f"versions/{bad}/lineage")["batches"]
        batch = next(b["batch"] for b in used if b["file"] == FILE)
        answer = self._post("taint", batch=batch, reason="labels turned around by the vendor")
        self._say(f"by hand: {answer['message']}")

    # -- what it came to

    def _summary(
        self,
        turned: tuple[int, int],
        set_aside: list[str],
        bad: str,
        incident: int,
        back: dict[str, Any],
    ) -> dict[str, Any]:
        engine, tally = self.replay.engine, self.replay.tally
        path = self.workspace.root / f"incident-{incident}.md"
        report = engine.get(f"/api/v1/incidents/{incident}/report")["text"]
        path.write_text(report, encoding="utf-8")
        page = engine.get(f"/api/v1/incidents/{incident}")
        seen = [n["text"] for n in page["timeline"] if n["text"].startswith(tuple(HELPED.values()))]
        versions = [v for v in reversed(self._get("versions")) if not v["safe_mode"]]
        known = [
            {
                "version": v["version"],
                "fitness": v["fitness"],
                "poisoned": FILE in self._files(v["version"]),
            }
            for v in versions
        ]
        clean = [v["version"] for v in known if not v["poisoned"]]
        helped = seen[-1] if seen else "not yet seen whether the rollback helped"
        return {
            "type": "bad_day",
            "seed": self.seed,
            "poisoned_rows": turned[0],
            "turned_labels": turned[1],
            "set_aside_for": set_aside,
            "incident": incident,
            "opened": page["row"]["opened"],
            "title": page["row"]["title"],
            "promoted": bad,
            "rolled_back_to": back["to"],
            "versions": known,
            "helped": helped,
            "rows_predicted": len(tally.answers),
            "failed_predictions": tally.failed,
            "report": path.name,
            "text": (
                f"incident {incident} opened {page['row']['opened'][:16]}Z, {bad} was taken back "
                f"to {back['to']}; {helped}; without the poisoned file: {', '.join(clean)}; "
                f"{len(tally.answers)} rows predicted, {tally.failed} failed; "
                f"the report is {path.name} in the workspace"
            ),
        }

    # -- plumbing

    def _files(self, version: str) -> list[str]:
        """Return the names of the files that a version was trained on."""
        return [b["file"] for b in self._get(f"versions/{version}/lineage")["batches"] if b["used"]]

    def _until(self, end: datetime, stopping: Event) -> None:
        self.replay.run(self.now, end, stopping)
        self.now = end

    def _get(self, what: str) -> Any:
        return self.replay.engine.get(f"/api/v1/models/{self.replay.source.model}/{what}")

    def _post(self, route: str, **asked: Any) -> Any:
        """Ask for a change as a person's command would; a key of its own each time."""
        body = {"idempotency_key": os.urandom(16).hex(), **asked}
        return self.replay.engine.post(f"/api/v1/models/{self.replay.source.model}/{route}", body)

    def _say(self, text: str) -> None:
        self.tell({"type": "step", "time": iso(self.now), "text": text})
