"""What of a delivered batch is told, and from where it is set aside."""

import pytest

from engine.domain.acceptance import RULES, Found, judged


@pytest.mark.parametrize("check", RULES)
def test_every_check_is_silent_below_its_limits_and_says_what_to_do_beyond(check: str) -> None:
    rule = RULES[check]
    assert rule.next
    assert judged([Found(check, -1.0, "said")]).told == []
    verdict = judged([Found(check, 1e9, "said", "x", ["7", "8"])])
    sentence = f"said (7, 8). {rule.next}."
    assert verdict.refused == ([] if rule.refuse is None else [sentence])
    assert verdict.warnings == ([sentence] if rule.refuse is None else [])


def test_nothing_found_is_accepted_without_a_word() -> None:
    assert judged([]).told == []
