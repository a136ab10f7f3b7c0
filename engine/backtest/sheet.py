"""A backtest's result as one self-contained HTML page with charts."""

from collections.abc import Callable
from itertools import cycle

from engine.backtest.figures import Found
from engine.backtest.words import answers, number
from engine.clock import parse_time
from engine.pipeline.chart import Mark, Point, Series, line_chart
from engine.pipeline.page import page, section, table, text

LOOKS = ("main", "second", "third", "ahead")


def sheet(found: Found) -> str:
    """Return the page."""
    title = f"{found['model']}: what policies would have done"
    head = f"<h1>{text(title)}</h1>"
    head += "".join(f"<p>{text(line)}</p>" for line in answers(found))
    parts = [head, section(found["metric"], _chart(found, found["metric"], lambda o: o["metric"]))]
    parts += [section(name, _chart(found, name, _kpi(name))) for name in found["kpi"]]
    parts.append(section("By age of the version", _ages(found)))
    parts.append(section("Periods", _periods(found)))
    notes = "".join(f"<li>{text(n)}</li>" for n in [*found["source"], *found["note"]])
    return page(title, [*parts, section("What was simulated, and what not", f"<ul>{notes}</ul>")])


def _kpi(name: str) -> Callable[[Found], float | None]:
    return lambda one: one["kpi"].get(name)


def _chart(found: Found, title: str, value: Callable[[Found], float | None]) -> str:
    series = []
    shown = {**found["policies"], **found["baselines"]}
    for (name, one), look in zip(shown.items(), cycle(LOOKS), strict=False):
        points = [Point(parse_time(p["from"]), value(p)) for p in one["periods"]]
        series.append(Series(name, look, points))
    current = found["policies"].get("current", {"promotions": []})["promotions"]
    marks = [Mark(parse_time(m["time"]), m["to"]) for m in current if m["action"] == "promote"]
    return line_chart(
        title, series, parse_time(found["from"]), parse_time(found["to"]), None, marks
    )


def _ages(found: Found) -> str:
    ages = found["ages"]
    head = [
        f"age in {ages['unit']}s",
        "versions",
        "n",
        found["metric"],
        "worse than the youngest by",
    ]
    rows = [
        [str(p["age"]), str(p["versions"]), str(p["n"]), number(p["metric"]), number(p["behind"])]
        for p in ages["points"]
    ]
    return f"<p>{text(ages['said'])}</p>" + table(head, rows, "no version was old enough")


def _periods(found: Found) -> str:
    kpis = list(found["kpi"])
    head = ["from", "policy", "n", found["metric"], *kpis, "champion", "promotions", "rollbacks"]
    rows = []
    for name, one in {**found["policies"], **found["baselines"]}.items():
        for p in one["periods"]:
            values = [number(p["metric"]), *(number(p["kpi"].get(k)) for k in kpis)]
            more = [
                str(p.get(k, ""))
                for k in ("champion", "promotions", "rollbacks", "alerts", "retrainings")
            ]
            rows.append([p["from"][:10], name, str(p["n"]), *values, *more])
    return table([*head, "alarms", "trainings"], rows, "no period")
