"""The verbs about performance: what it was, what it should be now, and what is to be expected."""

from cdml_tui.output import cell, json_line, line, table
from cdml_tui.verbs.session import Session
from engine.wire import EstimateRow, KpiPage, Performance

SHOWN = 12


def performance(session: Session) -> int:
    """Show realised windows, then the running one's estimate, then the calibration."""
    answer = session.client.performance(session.model())
    if session.json:
        json_line(answer)
        return 0
    _periods(answer)
    if answer.windows:
        line("\nside by side, as served")
        newest = sorted({w.to for w in answer.windows})[-SHOWN:]
        table(
            ["FROM", "TO", "NAME", "VALUE", "LOW", "HIGH", "N", "KIND"],
            [
                [
                    *(w.from_, w.to, w.name, w.value if w.value is not None else _too_few(w.n)),
                    *(w.low, w.high, w.n, "realised"),
                ]
                for w in answer.windows
                if w.to in newest
            ],
        )
    _estimates(answer.estimates)
    if answer.calibration:
        line("\ncalibration of the champion, on mature rows")
        table(
            ["VERSION", "WHAT", "VALUE", "LOW", "HIGH", "N", "ANSWERED", "HAPPENED"],
            [
                [
                    *(c.version, c.name, c.value if c.value is not None else _too_few(c.n)),
                    *(c.low, c.high, c.n),
                    c.means.answered if c.means else None,
                    c.means.happened if c.means else None,
                ]
                for c in answer.calibration
            ],
        )
    if answer.streams:
        line("\nrow by row")
    for said in answer.streams:
        line(said)
    return 0


def _periods(answer: Performance) -> None:
    metrics = list(dict.fromkeys(name for p in answer.periods for name in p.metrics))
    kpis = list(dict.fromkeys(name for p in answer.periods for name in p.kpi))
    if not answer.periods:
        line(f"{answer.model}: not measured yet: cdml monitor measures it now")
        return
    line(f"{answer.model}: {answer.metric}, {answer.kind}, from mature labelled rows")
    table(
        ["FROM", "TO", "VERSION", "N", *(name.upper() for name in [*metrics, *kpis])],
        [
            [
                *(p.from_, p.to, p.version, p.n),
                *(p.metrics.get(name) for name in metrics),
                *(p.kpi.get(name) for name in kpis),
            ]
            for p in answer.periods
        ],
    )


def _estimates(rows: list[EstimateRow]) -> None:
    if not rows:
        return
    line(f"\nestimated before labels, {rows[0].from_} to {rows[0].to}")
    table(
        ["NAME", "VALUE", "LOW", "HIGH", "N", "CONSTANT", "PERSISTENCE", "INSIDE", "MADE OF"],
        [
            [
                *(e.name, e.value if e.value is not None else e.made_of.missing or "-"),
                *(e.low, e.high, e.n, _expert(e, "constant"), _expert(e, "persistence")),
                _share(e.made_of.coverage, e.made_of.windows),
                ", ".join(f"{x.name} {x.weight:.0%}" for x in e.made_of.experts if x.weight > 0),
            ]
            for e in rows
        ],
    )
    for e in rows:
        if e.value is not None and e.made_of.missing:
            line(f"{e.name}: {e.made_of.missing}")


def forecast(session: Session) -> int:
    """Show the windows ahead of every metric and KPI, or what is missing for them."""
    answer = session.client.forecast(session.model())
    if session.json:
        json_line(answer)
        return 0
    line(f"{answer.model}: {answer.missing or 'forecast, 90 % intervals'}")
    table(
        ["NAME", "AHEAD", "FROM", "TO", "VALUE", "LOW", "HIGH", "INSIDE", "LIMIT", "P(BREACH)",
         "BREACH BY", "N"],
        [
            [
                *(r.name, r.made_of.horizon, r.from_, r.to),
                r.value if r.value is not None else r.made_of.missing,
                *(r.low, r.high, _share(r.made_of.coverage, r.made_of.windows), r.made_of.limit),
                *(r.made_of.p_breach, r.made_of.breach_expected, r.n),
            ]
            for r in answer.rows
        ],
    )  # fmt: skip
    return 0


def kpi(session: Session) -> int:
    """Show each KPI by window against never acting, always acting and its promise."""
    answer = session.client.kpi(session.model())
    if session.json:
        json_line(answer)
        return 0
    if not answer.kpis:
        line(f"{answer.model}: no KPI is declared; write one under [models.{answer.model}.kpi]")
    for page in answer.kpis:
        _kpi(page)
    return 0


def _kpi(page: KpiPage) -> None:
    line(f"{page.name}: {page.direction} {page.unit or 'it'}, limit {cell(page.limit)}")
    line(f"its weights are your assumptions: {page.sql.strip()}")
    promise = f"{page.promise:.4g}" if page.promise is not None else "not measured"
    line(f"promise of {page.promised_by or 'no champion'} at validation: {promise}")
    if page.fault:
        line(page.fault)
    table(
        ["FROM", "TO", "N", "SERVED", "NEVER ACT", "ALWAYS ACT", "PROMISE"],
        [
            [
                *(w.from_, w.to, w.n, w.served if w.served is not None else _too_few(w.n)),
                *(w.never_act, w.always_act, page.promise),
            ]
            for w in page.windows[-SHOWN:]
        ],
    )
    _estimates([page.estimate] if page.estimate else [])


def _expert(row: EstimateRow, name: str) -> float | None:
    return next((x.value for x in row.made_of.experts if x.name == name), None)


def _share(share: float | None, n: int) -> str:
    """Say how often the truth lay inside earlier intervals."""
    return "-" if share is None else f"{share:.0%} of {n}"


def _too_few(n: int) -> str:
    return f"not enough: {n} of 100"
