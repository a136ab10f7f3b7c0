"""Artifacts made to do harm: refused before they are built, whoever signed them."""

from pathlib import Path

from tests.faults.hostile import MOST_MIB, attempted


def test_even_signed_by_us_they_run_nothing_take_no_memory_and_write_nowhere(
    tmp_path: Path,
) -> None:
    count, peak, wrong = attempted(tmp_path)
    assert wrong == []
    assert count >= 25
    assert peak <= MOST_MIB
