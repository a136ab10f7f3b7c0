"""The pages of the audit: who did what, from where, why; whether the chain is whole."""

from typing import Any

import flights
import msgspec
import pytest
from page_desk import SIZES, entered, golden, opened, texts

from engine import wire

ENGINE = {"kind": "engine", "name": "engine", "pid": None, "uid": None}
ANNA = {"kind": "human", "name": "anna", "pid": 4711, "uid": 1000}
REPORT = {
    "verdict": "fail", "against": "v3", "n": 3929, "holdout_from": None, "holdout_to": None,
    "checks": [
        {"name": "not worse than the champion", "verdict": "pass", "threshold": -0.01,
         "unit": "log_loss", "value": 0.0034, "n": 3929, "text": "0.3851 against 0.3885"},
        {"name": "no slice worse", "verdict": "fail", "threshold": -0.01, "unit": "log_loss",
         "value": None, "n": 3, "text": "carrier=航班\x1b[2J"},
    ],
    "reasons": [],
}  # fmt: skip


def entry(seq: int, action: str, who: dict[str, Any], **more: Any) -> wire.AuditEntry:
    whole = wire.AuditEntry(
        seq, flights.ago(minutes=50 - seq), flights.ago(minutes=50 - seq), who["name"], action,
        "late", "v3", "v3", 4, 4, "", {"actor": who}, "a" * 64, f"{seq:064x}",
    )  # fmt: skip
    return msgspec.structs.replace(whole, **more)


def entries() -> list[wire.AuditEntry]:
    fitness = {"v4": ["validating", "inconclusive"]}
    return [
        entry(44, "rollback", ANNA, to_version="v1", generation_after=5, reason="cost\x1b[2J 航班",
              detail={"actor": ANNA, "overrides": ["pin"], "roles_after": {"champion": "v1"}}),
        entry(43, "judge", ENGINE, detail={"actor": ENGINE, "fitness": fitness, "report": REPORT}),
        entry(42, "hold", ANNA, reason="wait for the sensor"),
    ]  # fmt: skip


def whole(**more: Any) -> wire.AuditAnswer:
    return wire.AuditAnswer(entries(), **{"verified": True, "head": "f" * 64, **more})


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_the_audit(width: int, height: int) -> None:
    golden(opened("audit", whole(), width, height), "audit")


@pytest.mark.parametrize(("width", "height"), SIZES)
def test_the_page_of_an_entry(width: int, height: int) -> None:
    golden(entered(opened("audit", whole(), width, height).press("j")), "entry")


def test_a_broken_chain_is_said_first() -> None:
    broken = whole(verified=False, fault="entry 43 does not follow from 42")
    assert "the chain is BROKEN: entry 43" in texts(opened("audit", broken))[3]


def test_a_chain_that_was_not_verified_is_not_called_whole() -> None:
    assert "was not verified" in texts(opened("audit", whole(verified=False)))[3]


def test_what_was_overridden_and_from_where_is_said() -> None:
    said = "\n".join(texts(opened("audit", whole(), 160, 48)))
    assert "in spite of pin: cost" in said
    assert "uid 1000 pid 4711" in said


def test_an_entry_shows_its_evidence_and_its_link() -> None:
    said = "\n".join(texts(entered(opened("audit", whole(), 160, 48).press("j"))))
    assert "fail against v3, n 3929" in said
    assert "v4: validating → inconclusive" in said
    assert f"{43:064x}" in said


def test_nothing_recorded_says_what_will_be() -> None:
    said = "\n".join(texts(opened("audit", wire.AuditAnswer([], True, "0"))))
    assert "the first change of who serves" in said
