"""`cdml drift MODEL` ranks, and says of each number what it is against and what it promises."""

from types import SimpleNamespace
from typing import Any

import pytest

from cdml_tui.client import ConsoleError
from cdml_tui.verbs import drifting
from cdml_tui.verbs.session import Session
from engine.wire import ColumnShape, DriftAnswer, DriftColumn, DriftReference

SHAPE = ColumnShape(
    "late", "wind", "feature", "training rows of v1", "7 days",
    edges=[1.0, 2.5], reference=[50, 30, 20], current=[1, 3, 6],
)  # fmt: skip


def said(answer: DriftAnswer, capsys: pytest.CaptureFixture[str], *words: str) -> str:
    client: Any = SimpleNamespace(drift=lambda _: answer, shape=lambda *_: SHAPE)
    session: Any = Session(SimpleNamespace(json=False, words=words, model=None))  # type: ignore[arg-type]
    session.client, session.models = client, ["late"]
    assert drifting.drift(session) == 0
    return capsys.readouterr().out


def test_every_number_says_its_reference_and_the_promise(
    capsys: pytest.CaptureFixture[str],
) -> None:
    references = [
        DriftReference("training", "training rows of v1", 5000, 0.31, 0.2, 0.2, 1.0),
        DriftReference("recent", "2024-03-01..08", 500, 0.02),
        DriftReference("season", "2023-03", 0, missing="not enough values a year before: 0 of 200"),
    ]
    wind = DriftColumn(
        "wind", "numeric", 0.31, 0.2, 0.2, 5000, 500, 0.0, 0.1, damage=0.006, ks_bins=200,
        evidence=1e6, evidence_needed=40.0, evidence_since="2024-03-02", drifted=True,
        references=references,
    )  # fmt: skip
    rain = DriftColumn("rain", "numeric", None, None, None, 9, 3, 0.0, 0.0, missing="3 of 200")
    text = said(
        DriftAnswer("late", "v1", "training rows of v1", "7 days", [wind, rain], "",
                    [], 0.2, 0.05, 2), capsys
    )  # fmt: skip
    assert "yes, since 2024-03-02" in text
    assert "3 of 200" in text
    assert "season: not enough values a year before: 0 of 200" in text
    assert "recent: 2024-03-01..08" in text
    assert "from 200 bins, short by at most one bin's share" in text
    assert "least share 0.0001" in text
    assert "evidence of 40. On 2 still columns at most 0.05 false alarms a year" in text


def test_what_was_not_measured_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert "not measured yet" in said(
        DriftAnswer("late", None, "", "", [], "not measured yet"), capsys
    )


def test_one_column_is_told_with_its_references_and_bars(
    capsys: pytest.CaptureFixture[str],
) -> None:
    near = DriftReference("recent", "2024-03-01..08", 500, 0.02)
    wind = DriftColumn(
        "wind", "numeric", 0.31, 0.2, 0.2, 100, 10, 0.0, 0.1, drifted=True, references=[near]
    )
    answer = DriftAnswer("late", "v1", "training rows of v1", "7 days", [wind], "", [], 0.2)
    for words in (("wind",), ("late", "wind")):
        text = said(answer, capsys, *words)
        assert "late v1, wind: drifts, psi 0.31, limit 0.2, n 10 now, 100 then" in text
        assert "missing: 0.0% then, 10.0% now" in text
        assert "2024-03-01..08" in text
        rows = [" ".join(one.split()) for one in text.splitlines()]
        assert {"below 1 50.0% 10.0% 50 1", "1 .. 2.5 30.0% 30.0% 30 3"} <= set(rows)
    with pytest.raises(ConsoleError, match='The nearest is "wind"'):
        said(answer, capsys, "late", "winds")
    with pytest.raises(ConsoleError, match="write cdml drift"):
        said(answer, capsys, "late", "wind", "rain")
