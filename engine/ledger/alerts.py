"""Alerts in the ledger, by number: as last found, and how a person quieted them. Decides nothing.

A pending one, for which patience runs, is kept here as well until it begins or is forgotten.
"""

import sqlite3
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from threading import RLock
from typing import Any

import msgspec

from engine.clock import iso, parse_time
from engine.domain.alerts import Alert, Finding, Key, Quiet, Severity, Step
from engine.errors import UnavailableError

Decide = Callable[[list[Alert], Mapping[Key, Quiet]], list[Step]]
_COLUMNS = (
    "model", "kind", "name", "version", "severity", "since", "seen", "looks", "opened", "ended",
    "why_ended", "told", "finding", "acked", "muted", "calm",
)  # fmt: skip


class Alerts:
    """The table of alerts, over the ledger's own connection and lock."""

    def __init__(self, db: sqlite3.Connection, lock: RLock) -> None:
        self._db = db
        self._lock = lock

    def standing(self, model: str) -> list[Alert]:
        """Return the alerts of a model that are not over, pending ones too, oldest first."""
        return [a for _, a in self._all("where model = ? and ended is null order by id", model)]

    def newest(
        self, model: str | None, *, everything: bool, limit: int = 1000
    ) -> list[tuple[str, Alert]]:
        """Return the newest alerts with their model, newest first.

        Those that have begun and stand, or `everything`: ended and pending ones as well.
        """
        some = "" if everything else "and opened is not null and ended is null "
        return self._all(
            f"where (? is null or model = ?) {some}order by id desc limit ?", model, model, limit
        )

    def of_number(self, number: int) -> tuple[str, Alert] | None:
        """Return an alert with its model, or None."""
        return next(iter(self._all("where id = ?", number)), None)

    def settle(self, model: str, now: datetime, decide: Decide) -> list[Step]:
        """Have it decided what a look changes, and write that, all of it or nothing.

        Nobody acknowledges or mutes in between. `decide` is handed what stands, and the mutes of
        ended alerts whose time is not over.
        """
        with self._lock:
            try:
                self._db.execute("begin immediate")
                steps = decide(self.standing(model), self._mutes(model, now))
                for step in steps:
                    self._write(model, step)
                self._db.execute("commit")
            except BaseException as e:
                if self._db.in_transaction:
                    self._db.execute("rollback")
                if isinstance(e, sqlite3.OperationalError):
                    raise UnavailableError(
                        f'Recording the alerts of {model}: SQLite says "{e}". Nothing was '
                        "recorded. Free disk space; the next look finds them again.",
                        code="ledger_unavailable",
                    ) from e
                raise
        return steps

    def told(self, numbers: Iterable[int]) -> None:
        """Remember that people were told of alerts as they are now."""
        with self._lock:
            self._db.executemany(
                "update alerts set told = severity where id = ?", [(n,) for n in numbers]
            )

    def _mutes(self, model: str, now: datetime) -> dict[Key, Quiet]:
        rows = self._all(
            "where model = ? and ended is not null and muted is not null order by id", model
        )
        found = {alert.key: alert.muted for _, alert in rows if alert.muted is not None}
        return {key: mute for key, mute in found.items() if mute.until and mute.until > now}

    def replace(self, alert: Alert) -> None:
        """Write an alert as it is now, for good with the change that it is part of."""
        with self._lock:
            self._put(alert)

    def _write(self, model: str, step: Step) -> None:
        number = step.before.number if step.before else 0
        if step.after is None:
            self._db.execute("delete from alerts where id = ?", (number,))
        elif number:
            self._put(step.after)
        else:
            marks = ", ".join("?" * len(_COLUMNS))
            self._db.execute(
                f"insert into alerts ({', '.join(_COLUMNS)}) values ({marks})",
                (model, *_values(step.after)),
            )

    def _put(self, alert: Alert) -> None:
        columns = ", ".join(f"{name} = ?" for name in _COLUMNS[1:])
        self._db.execute(
            f"update alerts set {columns} where id = ?", (*_values(alert), alert.number)
        )

    def _all(self, tail: str, *values: object) -> list[tuple[str, Alert]]:
        with self._lock:
            rows = self._db.execute(f"select * from alerts {tail}", values).fetchall()
        return [(row["model"], _alert(row)) for row in rows]


def _values(alert: Alert) -> tuple[Any, ...]:
    return (
        *alert.key,
        alert.version,
        alert.severity.name,
        iso(alert.since),
        iso(alert.seen),
        alert.looks,
        iso(alert.opened) if alert.opened else None,
        iso(alert.ended) if alert.ended else None,
        alert.why_ended,
        alert.told.name if alert.told else None,
        msgspec.json.encode(alert.finding).decode(),
        _text(alert.acked),
        _text(alert.muted),
        alert.calm,
    )


def _text(quiet: Quiet | None) -> str | None:
    if quiet is None:
        return None
    until = iso(quiet.until) if quiet.until else None
    kept = {"by": quiet.by, "at": iso(quiet.at), "reason": quiet.reason, "until": until}
    return msgspec.json.encode(kept).decode()


def _quiet(text: str | None) -> Quiet | None:
    if text is None:
        return None
    kept = msgspec.json.decode(text, type=dict[str, str | None])
    until = parse_time(kept["until"]) if kept["until"] else None
    return Quiet(kept["by"] or "", parse_time(kept["at"] or ""), kept["reason"] or "", until)


def _alert(row: sqlite3.Row) -> Alert:
    return Alert(
        version=row["version"],
        severity=Severity[row["severity"]],
        since=parse_time(row["since"]),
        seen=parse_time(row["seen"]),
        looks=row["looks"],
        finding=msgspec.json.decode(row["finding"], type=Finding),
        number=row["id"],
        opened=parse_time(row["opened"]) if row["opened"] else None,
        ended=parse_time(row["ended"]) if row["ended"] else None,
        why_ended=row["why_ended"],
        told=Severity[row["told"]] if row["told"] else None,
        acked=_quiet(row["acked"]),
        muted=_quiet(row["muted"]),
        calm=row["calm"],
    )
