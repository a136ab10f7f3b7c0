"""Error rates of attack signs on real flights, small and sure; tests/bench/attacks.py has n."""

from engine.domain.attacks import LABELLED
from tests.bench import probing, sources


def test_honest_clients_raise_no_sign_and_attackers_do() -> None:
    figures = probing.measure(runs=2, trained=["2013-03-01"])
    targets = [f for f in figures if f.target is not None]
    assert [f.name for f in targets if not f.met] == []
    assert len(targets) == 1 + len(probing.ATTACKS)


def test_an_honest_source_a_carrier_is_rarely_told_of_and_one_that_lies_is() -> None:
    y = sources.year(181)
    honest = sources.told(y, y.late, y.carriers, 181)
    assert len(honest) > LABELLED
    assert sum(hit for _, hit in honest) <= 0.01 * len(honest)
    lied = y.late * (y.carriers != 0)
    assert any(hit for name, hit in sources.told(y, lied, y.carriers, 181) if name == 0)
