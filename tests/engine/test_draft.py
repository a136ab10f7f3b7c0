"""Tables of many shapes, as their owners keep them, and what is guessed of each."""

import csv
import io
import random
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from engine.draft import Draft, Wishes, draft
from engine.errors import InvalidError
from engine.settings import Task
from engine.store.tables import Tables

START = datetime(2024, 1, 1)  # noqa: DTZ001 - as in a file
ROWS = 400
Row = Callable[[random.Random, datetime], Sequence[Any]]


def guess(
    folder: Path, head: str, row: Row, target: str, *, rows: int = ROWS, days: float = 200.0,
    sign: str = ",", encoding: str = "utf-8", task: Task | None = None, answer: str | None = None,
) -> Draft:  # fmt: skip
    """Write a table whose rows are spread over the days, and draft a model of it."""
    draw, text = random.Random(7), io.StringIO()
    table = csv.writer(text, delimiter=sign, lineterminator="\n")
    table.writerow(head.split())
    for at in range(rows):
        table.writerow(row(draw, START + timedelta(days=days * at / rows)))
    path = folder / "table.csv"
    path.write_bytes(text.getvalue().encode(encoding))
    with Tables([path]) as tables:
        return draft(tables, Wishes(target, task=task), lambda _, default: answer or default)


def said(made: Draft) -> str:
    return "\n".join(made.assumed)


def gauss(draw: random.Random, digits: int = 3) -> float:
    return round(draw.gauss(0, 1), digits)


# -- whole tables


def test_churn_with_a_date_that_only_leavers_have(tmp_path: Path) -> None:
    """The date of leaving is no label time: who stays would never be known."""

    def customer(draw: random.Random, at: datetime) -> Sequence[Any]:
        left = draw.random() < 0.3
        end = (at + timedelta(days=draw.randrange(5, 80))).date() if left else ""
        why = draw.choice(["price", "moved", "other"]) if left else ""
        yes = "Yes" if left else "No"
        number = f"C{draw.getrandbits(40)}"
        return [number, at.date(), draw.choice(["basic", "pro"]), gauss(draw), yes, end, why]

    head = "customer_id signup_date plan use churned cancel_date cancel_reason"
    made = guess(tmp_path, head, customer, "churned")
    assert (made.task, made.time, made.id) == ("binary", "signup_date", "customer_id")
    assert (made.label_time, made.label_maturity) == (None, "90d")
    assert made.features == ("plan", "use")
    assert 'filled for some outcomes of "churned" only' in said(made)
    assert 'the chance that "churned" is "true"' in said(made)


def test_fraud_known_weeks_later(tmp_path: Path) -> None:
    def payment(draw: random.Random, at: datetime) -> Sequence[Any]:
        fraud = draw.random() < 0.15
        known = at + timedelta(days=draw.randrange(14, 45))
        back = f"{draw.lognormvariate(3, 1):.2f}" if fraud else "0.00"
        shop = f"m{draw.randrange(10_000)}"
        amount = f"{draw.lognormvariate(3, 1):.2f}"
        return [f"tx-{draw.getrandbits(60)}", at, amount, shop, known, back, int(fraud)]

    head = "transaction_id timestamp amount merchant known_at chargeback_amount is_fraud"
    made = guess(tmp_path, head, payment, "is_fraud", rows=600)
    assert (made.time, made.label_time, made.label_maturity) == ("timestamp", "known_at", "60d")
    assert made.features == ("amount",)
    assert (
        "too many categories" in made.exclude["merchant"] or "differs" in made.exclude["merchant"]
    )
    assert 'it alone tells "is_fraud"' in made.exclude["chargeback_amount"]


def test_two_hundred_readings_of_a_machine_in_unix_time(tmp_path: Path) -> None:
    def reading(draw: random.Random, at: datetime) -> Sequence[Any]:
        values = [gauss(draw) for _ in range(200)]
        seconds = round((at - datetime(1970, 1, 1)).total_seconds())  # noqa: DTZ001
        return [seconds, *values, int(values[0] + gauss(draw) > 1)]

    head = f"unix_time {' '.join(f's{n}' for n in range(200))} failure"
    made = guess(tmp_path, head, reading, "failure")
    assert (made.time, len(made.features)) == ("unix_time", 200)
    assert made.first.year == 2024
    assert "like 1704067200" in said(made)


def test_houses_without_a_time_are_told_what_is_lacking(tmp_path: Path) -> None:
    def house(draw: random.Random, _: datetime) -> Sequence[Any]:
        return [draw.randrange(40, 300), draw.choice("ab"), draw.randrange(1900, 2020), 3e5]

    with pytest.raises(InvalidError) as refused:
        guess(tmp_path, "area_m2 quarter year_built price", house, "area_m2")
    assert refused.value.code == "no_time_column"
    assert "Add a column with the day each row is of" in refused.value.message
    assert 'quarter (VARCHAR, like "' in refused.value.message


def test_a_german_table_with_its_own_signs(tmp_path: Path) -> None:
    def order(draw: random.Random, at: datetime) -> Sequence[Any]:
        euro = f"{abs(draw.gauss(5000, 900)):,.2f}".translate(str.maketrans(",.", ".,"))
        town = draw.choice(["Köln", "Münster"])
        return [f"{at:%d.%m.%Y %H:%M}", town, euro, draw.choice(["ja", "nein"])]

    made = guess(tmp_path, "Datum Ort Betrag gekündigt", order, "gekündigt", sign=";",
                 encoding="cp1252")  # fmt: skip
    assert (made.time, made.features) == ("Datum", ("Ort", "Betrag"))
    assert "not UTF-8" in said(made)
    assert "a comma is its decimal point" in said(made)
    assert 'is "nein"' in said(made)


def test_thousands_money_and_marks_of_nothing(tmp_path: Path) -> None:
    def sale(draw: random.Random, at: datetime) -> Sequence[Any]:
        count = f"{draw.randrange(10**6, 10**7):,}"
        gap = draw.choice(["NA", gauss(draw)])
        return [at.date(), count, f"${draw.randrange(10**6)}", gap, draw.randrange(2)]

    made = guess(tmp_path, "date revenue price x y", sale, "y")
    assert made.features == ("revenue",)
    assert "write them without" in made.exclude["price"]
    assert "leave those cells empty" in made.exclude["x"]


def test_outcomes_in_disguise_and_columns_that_say_nothing(tmp_path: Path) -> None:
    def row(draw: random.Random, at: datetime) -> Sequence[Any]:
        y = draw.randrange(2)
        flip = 1 - y if draw.random() < 0.005 else y
        return [at.date(), f"note {draw.random()}", "EUR", "", gauss(draw), flip,
                y * 10 + draw.random(), draw.choice(["bad", "late"]) if y else "ok", y]  # fmt: skip

    made = guess(tmp_path, "date note currency blank x copy after state y", row, "y", rows=600)
    assert made.features == ("x",)
    assert made.exclude["blank"] == "always empty"
    assert made.exclude["currency"] == "one value only"
    assert all("nearly every row" in made.exclude[n] for n in ("copy", "after", "state", "note"))
    assert "take it off to use it" in said(made)


def test_a_quantity_in_other_units_is_an_outcome_too(tmp_path: Path) -> None:
    def row(draw: random.Random, at: datetime) -> Sequence[Any]:
        net = draw.gauss(100, 20)
        near = round(net / 2 + draw.gauss(0, 4), 2)
        return [at, gauss(draw), round(net * 1.19 + draw.gauss(0, 0.2), 2), near, round(net, 2)]

    made = guess(tmp_path, "time x gross hint net", row, "net")
    assert (made.task, made.features) == ("regression", ("x", "hint"))
    assert 'look at "hint"' in said(made)


def test_twelve_rows_are_few_and_tell_nothing_by_chance(tmp_path: Path) -> None:
    made = guess(tmp_path, "date x y", lambda d, at: [at, int(at.day % 2), at.day % 2], "y",
                 rows=12, days=12)  # fmt: skip
    assert made.features == ("x",)
    assert "nothing is trained before 200" in said(made)


def test_a_time_of_day_and_names_of_things_are_left_out(tmp_path: Path) -> None:
    def row(draw: random.Random, at: datetime) -> Sequence[Any]:
        return [at.date(), f"{at:%H:%M:%S}", draw.randrange(300, 900), draw.randrange(50),
                gauss(draw)]  # fmt: skip

    made = guess(tmp_path, "date clock user_id shelf y", row, "y", rows=900)
    assert made.features == ("shelf",)
    assert "its type is TIME" in made.exclude["clock"]
    assert "a number that names something" in made.exclude["user_id"]


def test_a_name_of_nearly_every_row_is_no_id_and_said(tmp_path: Path) -> None:
    def row(draw: random.Random, at: datetime) -> Sequence[Any]:
        return [f"o{draw.randrange(10_000)}", at.date(), gauss(draw), draw.randrange(2)]

    made = guess(tmp_path, "order_id date x y", row, "y")
    assert made.id is None
    assert '"order_id" names nearly every row, but' in said(made)


def test_one_row_a_week_and_store(tmp_path: Path) -> None:
    made = guess(
        tmp_path, "store week promo sales",
        lambda d, at: [d.randrange(8), f"{at:%Y-%m-%d}", d.randrange(2), gauss(d)], "sales",
    )  # fmt: skip
    assert (made.task, made.time, made.features) == ("regression", "week", ("store", "promo"))


# -- targets


@pytest.mark.parametrize(
    ("values", "positive"),
    [(["yes", "no"], "true"), (["Y", "N"], "Y"), ([1, 0], "1"), (["good", "bad"], "good")],
)
def test_two_values_are_yes_or_no_and_it_is_said_which_is_which(
    tmp_path: Path, values: list[Any], positive: str
) -> None:
    made = guess(tmp_path, "date x y", lambda d, at: [at, gauss(d), d.choice(values)], "y")
    assert made.task == "binary"
    assert f'is "{positive}"' in said(made)


@pytest.mark.parametrize(
    ("values", "task"),
    [
        ([f"k{n}" for n in range(3)], "multiclass"),
        ([f"k{n}" for n in range(30)], "multiclass"),
        ([1, 2, 3, 4, 5], "multiclass"),
        (list(range(15)), "regression"),
        ([0.5, 1.5, 2.5], "regression"),
    ],
)
def test_classes_and_quantities(tmp_path: Path, values: list[Any], task: str) -> None:
    made = guess(tmp_path, "date x y", lambda d, at: [at, gauss(d), d.choice(values)], "y")
    assert made.task == task


def test_a_count_is_a_quantity_by_its_name_or_by_a_persons_word(tmp_path: Path) -> None:
    row: Row = lambda d, at: [at, gauss(d), d.randrange(6)]  # noqa: E731
    assert guess(tmp_path, "date x visits", row, "visits").task == "regression"
    assert guess(tmp_path, "date x stars", row, "stars").task == "multiclass"
    assert guess(tmp_path, "date x stars", row, "stars", answer="regression").task == "regression"


def test_a_rare_class_is_said(tmp_path: Path) -> None:
    row: Row = lambda d, at: [at, gauss(d), "rare" if d.random() < 0.01 else d.choice("ab")]  # noqa: E731
    assert 'below 20: "rare" (' in said(guess(tmp_path, "date x y", row, "y"))


@pytest.mark.parametrize(
    ("values", "found"),
    [
        (["yes", ""], "an empty cell is an outcome that is not known"),
        (["won", "Won", "lost"], 'one class in several ways: "won", "Won"'),
        (["n/a", *map(str, range(300))], "Empty the cells that are no numbers"),
        (["same"], "nothing to learn"),
    ],
)
def test_a_target_that_is_kept_badly_is_refused_with_what_to_do(
    tmp_path: Path, values: list[Any], found: str
) -> None:
    with pytest.raises(InvalidError) as refused:
        guess(tmp_path, "date x y", lambda d, at: [at, gauss(d), d.choice(values)], "y", rows=900)
    assert found in refused.value.message


def test_who_names_the_task_has_the_spelling_as_it_is(tmp_path: Path) -> None:
    row: Row = lambda d, at: [at, gauss(d), d.choice(["won", "Won", "lost"])]  # noqa: E731
    assert guess(tmp_path, "date x y", row, "y", task="multiclass").task == "multiclass"


# -- times


@pytest.mark.parametrize(
    "form",
    ["%d.%m.%Y", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%SZ", "%d %B %Y",
     "%b %d, %Y", "%Y%m%d", "%Y/%m/%d", "%m/%d/%Y %I:%M %p", "%Y-%m-%d %H:%M:%S+02:00"],
)  # fmt: skip
def test_dates_as_people_write_them(tmp_path: Path, form: str) -> None:
    row: Row = lambda d, at: [at.strftime(form), gauss(d), d.randrange(2)]  # noqa: E731
    made = guess(tmp_path, "when x y", row, "y")
    assert made.time == "when"
    assert abs((made.last - made.first).days - 199) <= 1
    assert made.first.year in (2023, 2024)


def test_milliseconds_are_no_seconds_and_years_no_times(tmp_path: Path) -> None:
    row: Row = lambda d, at: [round(at.timestamp() * 1000), gauss(d), d.randrange(2)]  # noqa: E731
    assert guess(tmp_path, "ts x y", row, "y").first.year in (2023, 2024)
    year: Row = lambda d, at: [at.year, gauss(d), d.randrange(2)]  # noqa: E731
    with pytest.raises(InvalidError, match="no column is a date"):
        guess(tmp_path, "when x y", year, "y")


def test_one_moment_for_all_rows_is_no_order(tmp_path: Path) -> None:
    with pytest.raises(InvalidError, match="no row is newer than another"):
        guess(tmp_path, "date x y", lambda d, _: [START, gauss(d), d.randrange(2)], "y")


def test_of_two_times_the_event_is_the_one_that_is_no_outcome(tmp_path: Path) -> None:
    def ticket(draw: random.Random, at: datetime) -> Sequence[Any]:
        return [at + timedelta(hours=draw.randrange(1, 50)), at, gauss(draw), draw.randrange(2)]

    made = guess(tmp_path, "resolved_at created_at x escalated", ticket, "escalated")
    assert (made.time, made.label_time, made.label_maturity) == ("created_at", "resolved_at", "2d")
