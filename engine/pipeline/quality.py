"""Data quality of a look: what clients sent against the contract, their times, their labels."""

from collections.abc import Iterator

import msgspec

from engine.domain.quality import CHECKS, MIN_ROWS, excess, limit, named
from engine.domain.schema import Feature, Kind
from engine.pipeline import features
from engine.pipeline.look import Look
from engine.pipeline.site import Site
from engine.quantities import duration
from engine.stats import share
from engine.stats.profile import CategoricalProfile, NumericProfile
from engine.store import archive, batches, profiles, quality
from engine.store.quality import Window
from engine.store.scores import Score

KIND = "quality"
COLUMNS = 20


class QualityDetail(msgspec.Struct, frozen=True):
    """What a check expected of training rows, what it allows then, and what it found, in words.

    `above` says on which side of `limit` it is wrong.
    """

    expected: float | None = None
    limit: float | None = None
    above: bool = True
    found: str = ""


def measured(site: Site, look: Look) -> list[Score]:
    """Measure the quality of a look: always each check of all rows, columns where one is off.

    A check of fewer than 200 rows has no value. Of columns at most 20 are told, the worst.
    """
    contract = _contract(site, look)
    live = Window(look.model, look.champion, look.since, look.until, contract)
    ripe = Window(look.model, look.champion, look.mature_since, look.mature_until, contract)
    whole, skewed = _skew(site, look, ripe)
    columns = sorted([*_columns(site, look, live), *skewed], key=_worst)
    return [
        *_rows(site, look, live),
        *_times(site, look, live),
        *_labels(site, look, ripe),
        *whole,
        *columns[:COLUMNS],
    ]


def strangers(site: Site, look: Look) -> Score:
    """Count the labels of a look's window whose id nobody asked about, as of now.

    That depends on rows of any time, so it is shown and no part of what a look measured.
    """
    live = Window(look.model, look.champion, look.since, look.until, ())
    n, unknown = quality.strangers(site.store, live)
    begin = archive.horizon(site.store, look.model)
    found = f"rows before {begin:%Y-%m-%d} have left for history/" if begin and unknown else ""
    return _score(look, live, "unknown labels", unknown, n, found=found)


def _worst(score: Score) -> tuple[float, float, str]:
    """Order what is furthest beyond its limit first, what has none last."""
    detail = msgspec.json.decode(score.detail or "{}", type=QualityDetail)
    over = excess(named(score.name)[0], score.value, detail.expected)
    return -(-1.0 if over is None else over), -(score.value or 0.0), score.name


def _contract(site: Site, look: Look) -> tuple[Feature, ...]:
    manifest = site.artifacts.manifest(
        site.ledger.version(look.model, look.champion).manifest or ""
    )
    return features.schema(manifest.features).features


def _score(
    look: Look,
    window: Window,
    name: str,
    count: int,
    n: int,
    expected: float | None = None,
    found: str = "",
) -> Score:
    """Return a share as a measure, with its interval."""
    value = count / n if n else None
    return _number(look, window, name, value, n, expected, found, share.interval(count, n))


def _number(
    look: Look,
    window: Window,
    name: str,
    value: float | None,
    n: int,
    expected: float | None = None,
    found: str = "",
    interval: tuple[float, float] | None = None,
) -> Score:
    """Return a measure; without enough rows it has no value."""
    check = named(name)[0]
    detail = QualityDetail(expected, limit(check, expected), not CHECKS[check].floor, found)
    enough = n >= MIN_ROWS
    low, high = interval if enough and interval else (None, None)
    return Score(
        look.model,
        look.champion,
        KIND,
        name,
        window.since,
        window.until,
        value if enough else None,
        n,
        low,
        high,
        msgspec.json.encode(detail).decode(),
    )


def _rows(site: Site, look: Look, live: Window) -> Iterator[Score]:
    found = quality.rows(site.store, live)
    for name, count in (
        ("schema", found.strange),
        ("flagged", found.flagged),
        ("repeated ids", found.repeated),
        ("identical rows", found.identical),
    ):
        yield _score(look, live, name, count, found.n)


def _times(site: Site, look: Look, live: Window) -> Iterator[Score]:
    """Yield what the times of receipt say; a replay receives all rows today, whatever their day."""
    if site.ledger.meta("sim_now"):
        said = "a replay has no times of receipt"
        for name in ("ahead of time", "future times", "old times", "out of order"):
            yield _number(look, live, name, None, 0, found=said)
        return
    found = quality.times(site.store, live)
    for name, count in (
        ("ahead of time", found.ahead),
        ("future times", found.future),
        ("old times", found.old),
        ("out of order", found.disordered),
    ):
        yield _score(look, live, name, count, found.n)


def _labels(site: Site, look: Look, ripe: Window) -> Iterator[Score]:
    maturity = duration(site.model(look.model).label_maturity)
    found = quality.outcomes(site.store, ripe, maturity)
    can = found.n - found.never
    never = f"{found.never} will never have one" if found.never else ""
    after = f"label_maturity {maturity}"
    yield _score(look, ripe, "label coverage", found.labelled, can, found=never)
    yield _score(look, ripe, "late labels", found.late, found.labelled, found=after)
    yield _score(look, ripe, "early labels", found.early, found.labelled)
    yield _score(look, ripe, "contested labels", found.contested, found.labelled + found.never)
    for name, delay in (("p50", found.delay_p50), ("p90", found.delay_p90)):
        yield _number(look, ripe, f"label delay {name}", delay, found.labelled, found=after)


def _columns(site: Site, look: Look, live: Window) -> Iterator[Score]:
    """Yield each check of a feature that found more than training had."""
    frozen = profiles.of(site.store, look.model, look.champion)
    n, found = quality.features(site.store, live)
    for feature in live.features:
        seen = found[feature.name]
        usual = _null_rate(feature, frozen.get(feature.name))
        span = f"{_shown(seen.low)} to {_shown(seen.high)}, training {_shown(feature.low)} to "
        span += _shown(feature.high)
        for check, count, expected, said in (
            ("nulls", seen.nulls, usual, ""),
            ("infinite", seen.infinite, None, ""),
            ("range", seen.outside, None, span),
            ("far out", seen.far, None, span),
            ("unseen", seen.unseen, None, ""),
        ):
            if count > (expected or 0.0) * n:
                yield _score(look, live, f"{check} {feature.name}", count, n, expected, said)


def _shown(number: float | None) -> str:
    return "nothing" if number is None else f"{number:.6g}"


def _null_rate(feature: Feature, frozen: str | None) -> float | None:
    """Return the share of nulls in training; None where that was not kept."""
    if not feature.nullable:
        return 0.0
    if frozen is None:
        return None
    if feature.kind is Kind.NUMERIC:
        return msgspec.json.decode(frozen, type=NumericProfile).null_rate
    return msgspec.json.decode(frozen, type=CategoricalProfile).null_rate


def _skew(site: Site, look: Look, ripe: Window) -> tuple[list[Score], list[Score]]:
    """Return how logged rows differ from the delivered rows of the same ids, and by feature.

    Nothing where the model's rows have no id. What was delivered after the look is not looked at,
    so that measuring it again finds the same.
    """
    settings = site.model(look.model)
    if settings.id is None:
        return [], []
    paths = [
        str(site.workspace.batches / f"{b.batch}.parquet")
        for b in batches.known(site.store, look.model)
        if b.verdict.startswith("accepted")
        and b.received <= look.at
        and b.time_from
        and b.time_to
        and b.time_from < ripe.until
        and b.time_to >= ripe.since
    ]
    n, differing, found = quality.skew(site.store, ripe, paths, settings.id, settings.time)
    columns = [_score(look, ripe, f"skew {name}", c, n) for name, c in found.items() if c]
    return [_score(look, ripe, "skew", differing, n)], columns
