"""How versions measure up: a gate report check by check, two versions side by side."""

from textwrap import wrap

from cdml_tui.output import cell, json_line, line
from cdml_tui.verbs.session import Session, usage
from engine.wire import Check, GateReport

WIDTH = 80
_WORDS = {"pass": "pass", "fail": "FAIL", "inconclusive": "open", "observed": ""}


def compare(session: Session) -> int:
    """Measure two versions on the same rows."""
    words = session.args.words
    if not 2 <= len(words) <= 3:
        raise usage("write cdml compare [MODEL] A B.", "version")
    model, pair = session.model_and(words, lambda words: len(words) == 2)
    if len(pair) != 2:
        raise usage(f"which versions of {model}? Write cdml compare {model} A B.", "version")
    answer = session.client.compare(model, *pair)
    if session.json:
        json_line(answer)
        return 0
    a, b = answer.a, answer.b
    line(f"{model}: {b} against {a}, on rows newer than what either was trained on")
    rows = f"n {answer.n} in {_blocks(answer.blocks, answer.block)}"
    line(f"{answer.since[:16]}Z .. {answer.until[:16]}Z, {rows}")
    if answer.missing:
        _folded(answer.missing, 0)
    if answer.lines:
        both = ", ".join(f"{name} {cell(value)}" for name, value in answer.values.items())
        line(f"{answer.metric}: {both}; below, positive means that {b} is better")
    for one in answer.lines:
        _check(one)
    return 0


def report(found: GateReport) -> None:
    """Write a gate report: what stands in the way, then every check in two or three lines."""
    line(f"gate {found.verdict} against {found.against or 'the baselines'}, n {found.n}")
    if found.holdout_from and found.holdout_to:
        line(f"judged on rows of {found.holdout_from[:16]}Z .. {found.holdout_to[:16]}Z")
    for reason in found.reasons:
        _folded(reason, 2)
    for check in found.checks:
        _check(check)


def _check(check: Check) -> None:
    line(f"  {check.name}" + (f": {check.verdict}" if check.verdict != "observed" else ""))
    value = "not measured" if check.value is None else f"{_signed(check)} {check.unit}".rstrip()
    parts = [value + (f" [{check.low:+.4f}, {check.high:+.4f}]" if _has_interval(check) else "")]
    if check.threshold is not None:
        parts.append(f"limit {cell(check.threshold)}")
    parts.append(f"n {check.n}")
    if check.needed:
        more = check.needed - check.n
        parts.append(f"about {check.needed} needed" + (f", {more} more" if more > 0 else ""))
    _folded(", ".join(parts), 6)
    if check.text:
        _folded(check.text, 6)


def _signed(check: Check) -> str:
    """Write differences with their sign, plain amounts without."""
    assert check.value is not None
    return f"{check.value:+.4f}" if _has_interval(check) else cell(check.value)


def _has_interval(check: Check) -> bool:
    return check.low is not None and check.high is not None


def _blocks(count: int, unit: str) -> str:
    return f"{count} {unit if count != 1 else unit.removesuffix('s')}"


def _folded(text: str, indent: int) -> None:
    margin = " " * indent
    for part in wrap(text, WIDTH, initial_indent=margin, subsequent_indent=margin):
        line(part)
