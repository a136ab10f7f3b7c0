"""Looks measured again: those that late rows and labels reach, or all of them from nothing.

What a look measured is a function of the raw rows, so both ways come to the same bytes.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

import msgspec

from engine.pipeline import history
from engine.pipeline.look import Look, look_at
from engine.pipeline.measures import measured
from engine.pipeline.site import Site
from engine.settings import ModelSettings
from engine.store import archive, hours, looks, scores
from engine.store.looks import Arrived, Looked
from engine.store.scores import Score

MINUTE = timedelta(minutes=1)
NAMED = 3


class Rebuilt(msgspec.Struct, frozen=True):
    """What measuring everything again came to: `differ` names numbers that changed.

    `archived` looks were left as they are: rows that they look back on are no longer in the store.
    """

    looks: int
    numbers: int
    differ: list[str]
    archived: int = 0

    @property
    def said(self) -> str:
        """Say it in a sentence."""
        found = f"{self.looks} looks measured again from the raw rows, {self.numbers} numbers"
        if self.archived:
            found = (
                f"{self.archived} looks stand as they were measured, since rows that they look "
                f"back on were moved to history/; {found}"
            )
        if not self.differ:
            return f"{found}: every one equal to the byte"
        more = f" and {len(self.differ) - NAMED} more" if len(self.differ) > NAMED else ""
        return (
            f"{found}: {len(self.differ)} differ from what was stored and replaced it: "
            f"{'; '.join(self.differ[:NAMED])}{more}. Its settings were others then, "
            "or somebody changed what was stored"
        )


def restate(site: Site, model: str, arrived: Arrived, before: datetime) -> int:
    """Measure again the earlier looks whose rows or labels have changed; tell what moved."""
    settings = site.model(model)
    moved: list[tuple[Looked, list[str]]] = []
    horizon = archive.horizon(site.store, model)
    for one in looks.known(site.store, model):
        look = look_at(model, one.champion, settings, one.at)
        if one.at < before and _reached(look, arrived) and _is_whole(site, look, horizon):
            differ = _again(site, look)
            if differ:
                moved.append((one, differ))
    if moved:
        looks.restated(site.store, model, [one for one, _ in moved])
        site.tell("INFO", "monitor", model, _said(settings, moved))
    return len(moved)


def rebuild(site: Site, model: str, progress: Callable[[str], None]) -> Rebuilt:
    """Measure every look at a model again from the raw rows and compare with what was stored."""
    settings = site.model(model)
    arrived = looks.since_taken(site.store, model)
    restate(site, model, arrived, site.clock.now())  # what this moves need surprise nobody
    looks.taken(site.store, model, arrived)
    known = looks.known(site.store, model)
    horizon = archive.horizon(site.store, model)
    looked = [look_at(model, one.champion, settings, one.at) for one in known]
    again = [look for look in looked if _is_whole(site, look, horizon)]
    hours.forget(site.store, model, horizon)  # counts are made of the raw rows again, too
    numbers, differ = 0, []
    for at, look in enumerate(again, 1):
        differ += _again(site, look)
        numbers += len(scores.of_look(site.store, model, look.at))
        progress(f"look {at} of {len(again)}")
    return Rebuilt(len(again), numbers, differ, len(looked) - len(again))


def _is_whole(site: Site, look: Look, horizon: datetime | None) -> bool:
    """Say whether all rows that a look looks back on are still in the store."""
    if horizon is None:
        return True
    return history.since_of(site, look, look.until - look.since) >= horizon


def _again(site: Site, look: Look) -> list[str]:
    """Measure a look again and store it; return what differs from what was stored."""
    former = {_key(s): s for s in scores.of_look(site.store, look.model, look.at)}
    found = {_key(s): s for s in measured(site, look)}
    differ = [_differs(former.get(k), found.get(k)) for k in [*former, *(found.keys() - former)]]
    said = [text for text in differ if text]
    if said:
        scores.put_look(site.store, look.model, look.at, list(found.values()))
    return said


def _key(score: Score) -> tuple[str, str, str, datetime]:
    return score.version, score.kind, score.name, score.window_to


def _differs(former: Score | None, found: Score | None) -> str:
    """Say how a number moved; nothing where it is the same to the byte."""
    if former == found:
        return ""
    one = found or former
    assert one is not None
    name = f"{one.version} {one.kind} {one.name} of {one.window_to:%Y-%m-%d %H:%M}Z"
    return f"{name} {_shown(former)} -> {_shown(found)}"


def _shown(score: Score | None) -> str:
    if score is None:
        return "absent"
    sure = "" if score.low is None else f" [{score.low:.4f}, {score.high:.4f}]"
    return (
        f"none (n {score.n})" if score.value is None else f"{score.value:.4f}{sure} (n {score.n})"
    )


def _reached(look: Look, arrived: Arrived) -> bool:
    """Say whether new rows, or labels of rows that were mature, count in what a look measured.

    Rows before the window do too: evidence of drift is gathered from all days before.
    """
    return any(minute < look.until for minute in arrived.rows) or _any_within(
        arrived.labels, history.reach(look), look.mature_until
    )


def _any_within(minutes: Sequence[datetime], since: datetime, until: datetime) -> bool:
    return any(since < minute + MINUTE and minute < until for minute in minutes)


def _said(settings: ModelSettings, moved: list[tuple[Looked, list[str]]]) -> str:
    metric = [
        text for _, texts in moved for text in texts if f" realised {settings.metric} " in text
    ]
    shown = (metric or moved[-1][1])[-1]
    return f"late rows or labels restated {len(moved)} earlier looks, the last: {shown}"
