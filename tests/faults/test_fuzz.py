"""Malformed requests: each is refused with a reason, nobody else notices any."""

from tests.box import Box
from tests.faults.fuzz import fuzzed, recorded

COUNT = 2000


def test_malformed_requests_are_refused_by_both_ports_and_leave_no_trace(box: Box) -> None:
    found = fuzzed(box, COUNT)
    assert [text for one in found.values() for text in one.wrong] == []
    assert all(one.refused >= COUNT for one in found.values())
    assert recorded(box, found) == []
