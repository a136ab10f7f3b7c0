"""The report is one page that needs nothing else, says what was measured, and what was not."""

from html.parser import HTMLParser

import pytest

from engine.errors import InvalidError
from engine.ledger.change import ENGINE
from engine.pipeline import incidents
from engine.pipeline.monitor import monitor
from engine.pipeline.report import report
from tests.engine.pipeline.place import Place
from tests.engine.pipeline.test_monitor import watched

EVIL = '<img src="x" onerror="alert(1)">\x1b[31m'


class Tags(HTMLParser):
    """Every tag of a page with its attributes; what is left open is found."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.seen: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.seen.append((tag, dict(attrs)))
        if tag not in ("meta", "line", "circle", "polyline", "polygon"):
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if tag in self.open:
            assert self.open.pop() == tag


def test_a_page_needs_no_network_and_runs_nothing(place: Place) -> None:
    watched(place, late=0.9, score=0.1)
    incidents.opened(place, "late", EVIL, "v1")
    place.tell("WARN", "monitor", "late", EVIL)
    with place.ledger.change(ENGINE, "x", "late", now=place.clock.now(), wall=place.clock.wall()):
        pass
    page = report(place, "late", None, None).html
    tags = Tags(page)
    assert not tags.open
    assert not {t for t, _ in tags.seen} & {"script", "img", "link", "iframe", "object", "form"}
    for _, attributes in tags.seen:
        assert not any(name in ("src", "href") or name.startswith("on") for name in attributes)
    assert "default-src 'none'" in page
    assert "http://" not in page
    assert "https://" not in page
    assert "\x1b" not in page
    assert "&lt;img" in page


def test_it_says_who_served_what_was_measured_and_with_which_n(place: Place) -> None:
    watched(place, late=0.9, score=0.1)
    page = report(place, "late", None, None).html
    assert "<td>v1</td>" in page
    assert page.count("<svg") >= 3
    assert "log_loss" in page
    assert "cost" in page
    assert "wind" in page
    assert "stand now, the worst" in page
    assert "<td>300</td>" in page


def test_what_was_not_measured_is_said(place: Place) -> None:
    page = report(place, "late", None, None).html
    assert "Nothing was measured in this time" in page
    assert "No version has served yet." in page
    assert "nothing was measured in this time" in page


def test_the_interval_is_kept_to_and_a_wrong_one_refused(place: Place) -> None:
    watched(place, score=0.3)
    place.clock.passes(days=1)
    monitor(place, "late")
    found = report(place, "late", "2024-03-01", "2024-03-02")
    assert (found.from_, found.to) == ("2024-03-01T00:00:00Z", "2024-03-03T00:00:00Z")
    assert "nothing was measured in this time" in found.html
    with pytest.raises(InvalidError, match="is no time"):
        report(place, "late", "2024-03-05", "2024-03-01")
    with pytest.raises(InvalidError, match="not ISO 8601"):
        report(place, "late", "yesterday", None)
