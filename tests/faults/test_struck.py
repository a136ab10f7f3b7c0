"""A few of each: killed, failing and cut-off processes lose nothing; the whole is `make faults`."""

from collections.abc import Callable
from pathlib import Path

import pytest

from tests.faults import crowds, damage, disks, drill, floods, kills
from tests.faults.outcome import Case, table

HARMED = [
    ("spool/*.seg", "cut"), ("ledger.sqlite", "gone"), ("keys/public", "gone"),
    ("cdml.toml", "gone"),
    ("artifacts/champion.skops", "flip middle"), ("batches/*.parquet", "gone"),
]  # fmt: skip
SHORT: dict[str, Case] = {
    "1": lambda stock, at: kills.at_random(stock, at, 3, 100.0),
    "2": lambda stock, at: kills.at_points(stock, at, 3),
    "4": lambda stock, at: disks.nth_failure(stock, at, 6),
    "6": lambda stock, at: disks.power_cut(stock, at, 1),
    "7": lambda stock, at: damage.matrix(stock, at, HARMED),
    "10": lambda stock, at: crowds.two_consoles(stock, at, 20),
    "32": lambda stock, at: floods.slow_reader(stock, at, 60),
    "44": lambda stock, at: drill.drills(stock, at, 1, 3),
}


# A connection whose other end is killed while it is made is closed by nobody.
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("case", SHORT)
def test_what_was_promised_survives(
    case: str, stock: Path, tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    outcome = SHORT[case](stock, tmp_path / "case")
    record_property("table", table([outcome]))
    assert outcome.injected > 0
    assert not outcome.wrong, table([outcome])
    if case == "2":
        assert int(str(outcome.figures["points known"])) >= 25
