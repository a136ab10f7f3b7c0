"""The gate's own test: it passes as it is, and finds a gate that was broken."""

import msgspec

from engine.pipeline import checks, selftest, validate
from tests.engine.pipeline.place import Place


def test_the_gate_as_it_is_gives_every_known_answer() -> None:
    assert selftest.faults(checks.compared) == []


def test_a_gate_that_lets_everything_through_is_found() -> None:
    def lax(*given):
        made = checks.compared(*given)
        return [msgspec.structs.replace(c, verdict="pass") for c in made]

    found = " ".join(selftest.faults(lax))
    for case in ("own answers", "just as good", "shuffled", "base rate"):
        assert case in found


def test_a_gate_that_lets_nothing_through_is_found_too() -> None:
    def strict(*given):
        made = checks.compared(*given)
        return [msgspec.structs.replace(c, verdict="fail") for c in made]

    assert selftest.faults(strict) == ["a better version: fail, expected pass"]


def test_a_champion_that_may_be_compared_with_itself_is_found(monkeypatch) -> None:
    monkeypatch.setattr(validate, "check_other", lambda *_: None)
    assert "champion against itself" in selftest.faults(checks.compared)[0]


def test_a_failure_freezes_the_whole_engine_and_tells(place: Place, monkeypatch) -> None:
    selftest.at_start(place, "one")
    assert place.ledger.locks("*") == []
    monkeypatch.setattr(selftest, "faults", lambda _: ["labels shuffled: pass, expected fail"])
    selftest.at_start(place, "two")
    (lock,) = place.ledger.locks("*")
    assert (lock.kind, lock.owner) == ("freeze", "gate self-test")
    assert "labels shuffled" in lock.reason
    told = [e for e in place.ledger.events(limit=9) if e.level == "CRIT"]
    assert "cdml thaw" in told[0].text
    assert place.ledger.audit_fault() is None
