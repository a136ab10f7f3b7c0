"""`cdml quality`: the data quality of the newest look, what is wrong first, with the next step."""

import msgspec

from engine.clock import iso
from engine.domain.quality import CHECKS, MIN_ROWS, excess, named
from engine.pipeline.look import look_at
from engine.pipeline.quality import KIND, QualityDetail, strangers
from engine.pipeline.site import Site
from engine.store import scores
from engine.store.scores import Score
from engine.wire import QualityAnswer, QualityRow


def page(site: Site, model: str) -> QualityAnswer:
    """Return the checks of the newest look at the champion, worst first."""
    settings = site.model(model)
    champion = site.ledger.roles(model).champion
    if champion is None:
        return QualityAnswer(model, None, "", [], "no champion yet")
    found = scores.latest(site.store, model, KIND, champion)
    ends = {s.window_to for s in found if named(s.name)[1] is None}
    # A column that is right again was not told in the newest look.
    newest = [s for s in found if s.window_to in ends]
    if not newest:
        missing = f"not measured yet: cdml monitor {model} measures it now"
        return QualityAnswer(model, champion, "", [], missing)
    look = look_at(model, champion, settings, max(ends))
    rows = sorted((_row(s) for s in [*newest, strangers(site, look)]), key=_worst)
    return QualityAnswer(model, champion, iso(max(ends)), rows)


def _row(score: Score) -> QualityRow:
    check, column = named(score.name)
    rule = CHECKS[check]
    detail = msgspec.json.decode(score.detail or "{}", type=QualityDetail)
    over = excess(check, score.value, detail.expected)
    wrong = over is not None and over > 0.0
    missing = ""
    if score.value is None:
        missing = detail.found if not score.n else ""
        missing = missing or f"not enough: {score.n} of {MIN_ROWS}"
    return QualityRow(
        name=score.name,
        check=check,
        column=column,
        value=score.value,
        unit=rule.unit.value,
        n=score.n,
        expected=detail.expected,
        limit=detail.limit,
        at_least=rule.floor,
        wrong=wrong,
        says=rule.says,
        found=detail.found if score.value is not None else "",
        missing=missing,
        next=rule.next if wrong else "",
        from_=iso(score.window_from),
        to=iso(score.window_to),
    )


def _worst(row: QualityRow) -> tuple[bool, bool, str, float]:
    """Order what is wrong first, then what has a limit; of these the largest value first."""
    return not row.wrong, row.limit is None, row.unit, -(row.value or 0.0)
