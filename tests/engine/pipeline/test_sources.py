"""Labels by source: one that hides outcomes is told with its interval, honest ones are not."""

from collections.abc import Callable
from datetime import timedelta

import numpy as np
import pytest

from engine.domain.attacks import Kind
from engine.domain.lifecycle import Fitness
from engine.pipeline import incidents, signs, sources, taints
from engine.pipeline.rollback import rollback
from engine.store import labels, predictions
from engine.store.labels import LabelRow
from engine.store.predictions import Block
from engine.wire import Change, TaintRequest
from tests.engine.pipeline.place import PERSON, Place

Value = Callable[[bool, int], bool]


def answered(place: Place, n: int, source: Callable[[int], str], value: Value) -> None:
    """Store n answers over six mature days, each labelled at once by some source."""
    rng = np.random.default_rng(place.store.changes)
    begin = place.clock.now() - timedelta(days=7)
    rows, known = [], []
    for at in range(n):
        ts = (begin + timedelta(days=6) * at / n).replace(tzinfo=None).isoformat()
        score, name = float(rng.beta(2, 4)), f"{place.store.changes}-{at}"
        rows.append(
            ("late", name, name, ts, ts, "c", 1, "v1", "champion", "{}", f"[{score}]",
             "false", "", 1.0)
        )  # fmt: skip
        late = value(bool(rng.random() < score), at)
        known.append(LabelRow("late", name, ts, str(late).lower(), ts, source(at)))
    predictions.load(place.store, Block(rows, [], [], {}))
    labels.add(place.store, known)


def look(place: Place) -> list[str]:
    place.clock.passes(minutes=10)
    sources.watch(place, "late")
    return place.told_of("alert")


def by_four(at: int) -> str:
    return f"s{at % 4}"


def test_a_source_that_hides_outcomes_is_told_once_with_the_interval_of_its_rows(
    place: Place,
) -> None:
    place.champions(0.5)
    answered(place, 1600, by_four, lambda late, at: late and at % 4 != 0)
    told = look(place)
    assert len(told) == 1
    assert '"s0"' in told[0]
    assert "standard deviations" in told[0]
    assert look(place) == told
    standing = incidents.standing(place, "late")
    assert standing is not None
    notes = [n.text for n in incidents.page(place, standing.number).timeline]
    span = signs.suspected(place, "late")
    assert span is not None
    offered = f"cdml taint late --from {span[0]} --to {span[1]}"
    assert any(offered in text and "rollback late --attack" in text for text in notes)


def test_honest_sources_are_never_told(place: Place) -> None:
    place.champions(0.5)
    answered(place, 2000, by_four, lambda late, _: late)
    assert look(place) == []


@pytest.mark.parametrize("source", [lambda _: "", lambda _: "file:a.csv"])
def test_with_one_source_there_is_nothing_to_compare(
    place: Place, source: Callable[[int], str]
) -> None:
    place.champions(0.5)
    answered(place, 800, source, lambda *_: False)
    assert look(place) == []


def test_two_sources_that_lie_take_no_honest_one_with_them(place: Place) -> None:
    place.champions(0.5)
    answered(place, 3000, lambda at: f"s{at % 6}", lambda late, at: late != (at % 6 < 2))
    look(place)
    found = {s.subject for s in signs.standing(place, "late") if s.kind is Kind.LABELS}
    assert found == {"s0", "s1"}


def test_a_sign_ends_once_the_rows_are_no_longer_looked_at(place: Place) -> None:
    place.champions(0.5)
    answered(place, 1600, by_four, lambda late, at: late and at % 4 != 0)
    look(place)
    place.clock.passes(days=15)
    assert look(place)[-1].endswith("it sent no labels of late")
    assert signs.suspected(place, "late") is None


def test_a_rollback_as_an_attack_keeps_the_interval_and_offers_it_as_a_taint(
    place: Place,
) -> None:
    first, champion = place.champions(0.4, 0.5)
    answered(place, 1600, by_four, lambda late, at: late and at % 4 != 0)
    look(place)
    span = signs.suspected(place, "late")
    assert span is not None
    answer = rollback(place, "late", PERSON, Change("r", attack=True))
    assert answer.to == first
    assert f"cdml taint late --from {span[0]} --to {span[1]}" in answer.message
    assert place.ledger.version("late", champion).fitness is Fitness.TAINTED
    (made,) = taints.listed(place, "late")
    assert (made.version, made.from_, made.to, made.touches) == (champion, *span, [champion])
    assert taints.spans(place, "late") == []
    again = taints.taint(place, "late", PERSON, TaintRequest("t", version=champion))
    assert not again.changed
    taints.taint(place, "late", PERSON, TaintRequest("u", from_=span[0], to=span[1]))
    assert taints.spans(place, "late") == [span]
