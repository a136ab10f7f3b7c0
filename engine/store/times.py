"""Times as people write them, as SQL: dates and times, texts in usual forms, Unix time, 20240131.

Day and month in an order that only the reader knows, like 3/4/2024 8:00, are never guessed at.
"""

TEXTS = (
    "%d.%m.%Y %H:%M:%S",
    "%d.%m.%Y %H:%M",
    "%d.%m.%Y",
    "%m/%d/%Y %I:%M:%S %p",
    "%m/%d/%Y %I:%M %p",
    "%d %B %Y",
    "%d %b %Y",
    "%d-%b-%Y",
    "%B %d, %Y",
    "%b %d, %Y",
    "%Y%m%dT%H%M%S",
    "%Y-%m",
)
DAYS = (19_000_101, 21_001_231)  # whole numbers that are a year, a month and a day
SECONDS = (100_000_000, 4_102_444_800)  # 1973 to 2100; a smaller number is no time of anything
SCALES = (1, 1_000, 1_000_000, 1_000_000_000)  # seconds, milliseconds, micro, nano


def moment(column: str, found: str, timezone: str) -> str:
    """Return SQL for a column as a time with a zone, which fails on what is none.

    A time without a zone is read in `timezone`. Never a plain cast of a time with a zone: the CSV
    reader takes it over and drops the zone.
    """
    if found.endswith("TIME ZONE"):
        return column
    if found == "VARCHAR":
        return _of_text(column, timezone, otherwise=f"cast({column} as timestamptz)")
    if found.startswith("TIMESTAMP") or found in ("DATE", ""):
        return f"timezone('{timezone}', cast({column} as timestamp))"
    return _of_number(column, timezone)


def plausible(low: str | None, high: str | None) -> bool:
    """Say whether the lowest and the highest of some numbers may both be times."""
    if low is None or high is None:
        return False
    least, most = float(low), float(high)
    return DAYS[0] <= least <= most <= DAYS[1] or any(
        SECONDS[0] * scale <= least <= most <= SECONDS[1] * scale for scale in SCALES
    )


def readable_text(column: str) -> str:
    """Return SQL that says whether a text is a time."""
    return f"{_of_text(column, 'UTC', otherwise='null')} is not null"


def readable_number(column: str) -> str:
    """Return SQL that says whether a number is a time: a day, or one of the Unix scales."""
    day = f"try_strptime(try_cast({column} as bigint)::varchar, '%Y%m%d') is not null"
    unix = " or ".join(
        f"{column} between {SECONDS[0] * scale} and {SECONDS[1] * scale}" for scale in SCALES
    )
    return f"case when {_is_day(column)} then {day} else {unix} end"


def _of_text(column: str, timezone: str, otherwise: str) -> str:
    forms = ", ".join(f"'{form}'" for form in TEXTS)
    return (
        f"coalesce(try_cast({column} as timestamptz), "
        f"timezone('{timezone}', try_strptime({column}, [{forms}])), {otherwise})"
    )


def _of_number(column: str, timezone: str) -> str:
    day = f"timezone('{timezone}', strptime(cast({column} as bigint)::varchar, '%Y%m%d'))"
    unix = " ".join(
        f"when {column} between {SECONDS[0] * scale} and {SECONDS[1] * scale} "
        f"then to_timestamp({column} / {scale}::double)"
        for scale in SCALES
    )
    wrong = f"error('the number ' || {column}::varchar || ' is no time')"
    return (
        f"case when {column} is null then null when {_is_day(column)} then {day} "
        f"{unix} else {wrong} end"
    )


def _is_day(column: str) -> str:
    return f"{column} between {DAYS[0]} and {DAYS[1]}"
