"""What was measured of a model: performance, forecasts, KPIs, drift, quality, clients, alerts."""

from typing import Literal

import msgspec

from engine.values.state import AlertRow, DriftColumn


class PerformancePeriod(msgspec.Struct, frozen=True):
    """Realised performance of one version over one window of mature rows."""

    version: str
    from_: str = msgspec.field(name="from")
    to: str
    n: int
    metrics: dict[str, float | None]
    kpi: dict[str, float | None]
    low: float | None = None
    high: float | None = None


class Expert(msgspec.Struct, frozen=True):
    """One of the answers that a number is blended from, and its weight."""

    name: str
    value: float | None
    weight: float


class Estimated(msgspec.Struct, frozen=True):
    """What an estimate is made of; `windows` of past errors stand behind its interval.

    `coverage` is how often the truth lay inside the intervals stated before. `missing` says what
    there is not enough of.
    """

    experts: list[Expert]
    coverage: float | None
    windows: int
    missing: str = ""


class Forecast(msgspec.Struct, frozen=True):
    """What a forecast `horizon` windows ahead is about and made of.

    `p_breach` is the chance that a window up to this one is beyond the limit, `breach_expected` the
    end of the first for which it is one half or more. `missing` says why there is no forecast.
    """

    horizon: int
    window_from: str
    window_to: str
    experts: list[Expert]
    coverage: float | None
    windows: int
    limit: float | None = None
    p_breach: float | None = None
    breach_expected: str | None = None
    missing: str = ""


class Calibration(msgspec.Struct, frozen=True):
    """Mean answer and mean outcome of the same rows: what a calibration gap is between."""

    answered: float
    happened: float


class Window(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A metric or KPI as it was served over one window of a fixed grid, with its interval."""

    name: str
    from_: str
    to: str
    value: float | None
    low: float | None
    high: float | None
    n: int


class EstimateRow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A metric or KPI of the running window before its labels, and what it is made of."""

    name: str
    from_: str
    to: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    made_of: Estimated


class CalibrationRow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """How a version's answers compare with outcomes: the gap of the means, the mean distance."""

    name: Literal["gap", "error"]
    version: str
    from_: str
    to: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    means: Calibration | None = None


class Performance(msgspec.Struct, frozen=True):
    """`cdml performance`: windows, oldest first; `periods` are those of each look.

    `windows` lie side by side; then the running window's estimates and the champion's calibration.
    `streams` say what is known of its answers and losses row by row.
    """

    model: str
    metric: str
    kind: Literal["realised"]
    periods: list[PerformancePeriod]
    windows: list[Window] = []
    estimates: list[EstimateRow] = []
    calibration: list[CalibrationRow] = []
    streams: list[str] = []


class ForecastRow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A metric or KPI of a window to come; `n` is how many past windows are known."""

    name: str
    from_: str
    to: str
    value: float | None
    low: float | None
    high: float | None
    n: int
    made_of: Forecast


class ForecastAnswer(msgspec.Struct, frozen=True):
    """`cdml forecast`: every metric and KPI, the nearest window first; `missing` says why not."""

    model: str
    rows: list[ForecastRow]
    missing: str = ""


class KpiWindow(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """A KPI over one window: as it was served, and had never or always been acted."""

    from_: str
    to: str
    n: int
    served: float | None
    never_act: float | None = None
    always_act: float | None = None


class KpiPage(msgspec.Struct, frozen=True):
    """One KPI: what it is, what validation promised of the champion, and what came of it.

    `fault` says why it cannot be measured.
    """

    name: str
    sql: str
    direction: str
    unit: str
    limit: float | None
    promise: float | None
    promised_by: str | None
    windows: list[KpiWindow]
    estimate: EstimateRow | None = None
    fault: str = ""


class KpiAnswer(msgspec.Struct, frozen=True):
    """`cdml kpi`: every KPI of a model."""

    model: str
    kpis: list[KpiPage]


class DriftAnswer(msgspec.Struct, frozen=True):
    """`cdml drift MODEL`: features ranked by damage; `missing` says why there are none.

    `beside` are the version's scores, the labels and the slices. A column drifts where its psi is
    over `limit` and its evidence is enough: on `tested` columns that are still, at most
    `false_alarms` false ones a year are expected, however often one looks.
    """

    model: str
    version: str | None
    reference: str
    current: str
    columns: list[DriftColumn]
    missing: str = ""
    beside: list[DriftColumn] = []
    limit: float | None = None
    false_alarms: float | None = None
    tested: int = 0
    epsilon: float = 1e-4


class ColumnShape(msgspec.Struct, frozen=True):
    """One column as bars: how many of the reference's values and of the current window's are where.

    Of numbers one bar more than `edges`, the outer ones open; of categories one for each of
    `names`. Nulls are counted apart. `missing` says why there are no bars.
    """

    model: str
    column: str
    part: str
    reference_of: str
    current_of: str
    edges: list[float] = []
    names: list[str] = []
    reference: list[int] = []
    current: list[int] = []
    nulls_reference: int = 0
    nulls_current: int = 0
    missing: str = ""


class QualityRow(msgspec.Struct, frozen=True, kw_only=True):
    """One check of a look's rows or labels, of all of them or of one column.

    A share is in [0, 1]. `limit` is the most, with `at_least` the least, that the value may be;
    None where no value is wrong by itself. `missing` says why there is no value.
    """

    name: str
    check: str
    column: str | None
    value: float | None
    unit: Literal["share", "s"]
    n: int
    expected: float | None
    limit: float | None
    at_least: bool
    wrong: bool
    says: str
    found: str
    missing: str
    next: str
    from_: str = msgspec.field(name="from")
    to: str


class QualityAnswer(msgspec.Struct, frozen=True):
    """`cdml quality`: the newest look, what is wrong first; `missing` says why there is none."""

    model: str
    version: str | None
    until: str
    rows: list[QualityRow]
    missing: str = ""


class ClientRow(msgspec.Struct, frozen=True):
    """One client of a model: its newest distinct rows, and the signs of an attack that stand.

    `independence` is how unrelated its columns are, 1 as if drawn at random; `usual_hour` is the
    median of its hours before the last. Rates are None before enough rows came.
    """

    client: str
    total: int
    distinct: int
    since: str | None
    until: str | None
    near_rate: float | None
    crowded_rate: float | None
    flip_rate: float | None
    independence: float | None
    out_of_range: float | None
    last_hour: int
    usual_hour: float | None
    signs: list[str]
    suspected_since: str | None = None


class ClientsAnswer(msgspec.Struct, frozen=True):
    """`cdml clients`: who asked lately, suspects first; `missing` says why rates are absent."""

    model: str
    clients: list[ClientRow]
    missing: str = ""


class AlertList(msgspec.Struct, frozen=True):
    """`cdml alerts`: worst first, those that are over last; `promise` is what they are worth."""

    alerts: list[AlertRow]
    promise: dict[str, str]


class AlertRequest(msgspec.Struct, frozen=True, rename={"for_": "for"}):
    """Body of ack and mute; `for_` is how long a mute lasts, like 12h."""

    idempotency_key: str
    for_: str | None = None
    reason: str = ""


class AlertAnswer(msgspec.Struct, frozen=True):
    """An alert after ack or mute; `changed` is False where it was so already."""

    alert: AlertRow
    audit_seq: int
    changed: bool
    message: str = ""


class ReplayedAlert(msgspec.Struct, frozen=True):
    """An alert that the present rules would have raised.

    `outcome` of a warning: early by `lead_days`, late (the breach stood already), false (no breach
    followed), open (it still stands). Of a breach itself: breach.
    """

    kind: str
    name: str
    version: str
    severity: Literal["WARN", "CRIT"]
    text: str
    since: str
    opened: str
    ended: str | None
    outcome: Literal["breach", "early", "late", "false", "open"]
    lead_days: float | None = None


class ReplayedKind(msgspec.Struct, frozen=True):
    """What the alerts of one kind would have been worth; `lead_days` is the mean of early ones.

    `told` is how often people would have been told; `stood` the share of looks with any of them.
    """

    kind: str
    raised: int
    a_year: float | None
    told: int
    stood: float
    early: int
    late: int
    false: int
    lead_days: float | None


class AlertReplay(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`cdml alerts MODEL --replay`: today's rules on the stored looks; nothing was changed."""

    model: str
    from_: str | None
    to: str | None
    looks: int
    alerts: list[ReplayedAlert]
    kinds: list[ReplayedKind]
    promise: str
    missing: str = ""


class ModelReport(msgspec.Struct, frozen=True, rename={"from_": "from"}):
    """`cdml report`: a model between two moments as one self-contained HTML page."""

    model: str
    from_: str
    to: str
    html: str
