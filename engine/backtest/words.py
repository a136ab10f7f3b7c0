"""A backtest's result as text: a row for each period and policy, and the answers."""

from typing import Any

from engine.backtest.figures import Found


def text(found: Found) -> str:
    """Return a result for people."""
    kpis = list(found["kpi"])
    better = "higher" if found["higher_is_better"] else "lower"
    head = f"{found['model']}, {found['from'][:10]}..{found['to'][:10]}, seed {found['seed']}: "
    head += f"{found['metric']}, {better} is better; {'; '.join(found['source'])}"
    lines = [
        head,
        "",
        _line(
            "period",
            "policy",
            "n",
            found["metric"],
            kpis,
            ("up", "back", "alarms", "trained", "cpu s"),
        ),
    ]
    cpu = found["measured"]["cpu_s"]
    first = next(iter(found["policies"].values()))
    for at, period in enumerate(first["periods"]):
        for name, policy in found["policies"].items():
            one = policy["periods"][at]
            counts = [one[k] for k in ("promotions", "rollbacks", "alerts", "retrainings")]
            label = period["from"][:10] if name == next(iter(found["policies"])) else ""
            lines.append(_row(label, name, one, kpis, [*counts, f"{cpu[name][at]:.1f}"]))
        for name, rule in found["baselines"].items():
            lines.append(_row("", f"({name})", rule["periods"][at], kpis, []))
    for name, policy in found["policies"].items():
        counts = [len(policy["promotions"]), len(policy["rollbacks"]), policy["total"]["alerts"]]
        all_of = [*counts, policy["retrainings"], f"{sum(cpu[name]):.1f}"]
        label = "total" if name == next(iter(found["policies"])) else ""
        lines.append(_row(label, name, policy["total"], kpis, all_of))
    lines += [_row("", f"({n})", r["total"], kpis, []) for n, r in found["baselines"].items()]
    lines += ["", *answers(found), ""]
    return "\n".join([*lines, *(f"* {note}" for note in found["note"])]) + "\n"


def answers(found: Found) -> list[str]:
    """Return what the figures answer: which policy is worth it, how often to retrain."""
    said = []
    for name, policy in found["policies"].items():
        if worth := policy.get("against_frozen"):
            parts = [
                f"{k} {v['percent']:+.1f} %"
                for k, v in worth["kpi"].items()
                if v["percent"] is not None
            ]
            more = f"; {', '.join(parts)}" if parts else ""
            said.append(f"{name}: {worth['said']}, n {worth['n']}{more}")
    return [*said, f"age of a version: {found['ages']['said']}"]


def _row(period: str, name: str, one: Found, kpis: list[str], counts: list[Any]) -> str:
    values = [number(one["kpi"].get(k)) for k in kpis]
    return _line(
        period, name, str(one["n"]), number(one["metric"]), values, [str(c) for c in counts]
    )


def _line(period: str, name: str, n: str, metric: str, kpis: Any, counts: Any) -> str:
    cells = [period.ljust(10), name.ljust(16), n.rjust(8), metric.rjust(14)]
    cells += [k.rjust(12) for k in kpis] + [c.rjust(8) for c in counts]
    return " ".join(cells).rstrip()


def number(value: float | None) -> str:
    """Return a figure as it is shown."""
    return "--" if value is None else f"{value:.4f}"
