"""Two versions measured on the same rows: is one better, where, and how often they differ."""

from cdml_tui.client import Client
from cdml_tui.panes import judged
from cdml_tui.panes.figures import count, figure, metric_word
from cdml_tui.panes.line import Line, Span, Style, inert, lead, line, pad, title, width_of
from cdml_tui.panes.numbers import aligned, days, placed, told
from cdml_tui.reach import ways
from cdml_tui.screens.page import WIDE, Body, Page
from cdml_tui.sheet import Sheet, Subject
from cdml_tui.state import Screen, model_of
from engine import wire

_PLOT = 34
_TWO = 2


def _ask(client: Client, subject: Subject) -> wire.CompareAnswer:
    return client.compare(subject.model or "", subject.version or "", subject.other or "")


def _about(screen: Screen, page: str) -> Subject | str:
    """Compare the two marked versions, else the champion with the one that is open or selected."""
    model = model_of(screen)
    if model is None:
        return "no models yet"
    if len(screen.marks) == _TWO:
        a, b = sorted(screen.marks, key=lambda name: name != model.champion)
        return Subject(page, model.model, a, b)
    chosen = screen.sheets[-1].subject.version if screen.sheets else None
    chosen = chosen or screen.selected
    if model.champion is None:
        return "no version serves yet: there is no champion to compare with"
    if chosen is None or chosen == model.champion:
        return f"the champion is selected; {ways(screen)} select whom to compare it with"
    return Subject(page, model.model, model.champion, chosen)


def _draw(screen: Screen, sheet: Sheet, width: int) -> Body:
    answer: wire.CompareAnswer = sheet.value
    columns = 2 if width >= WIDE else 1
    each = (width - 3 * (columns - 1)) // columns
    slices = [c for c in answer.lines if _is_slice(c)]
    rest = [c for c in answer.lines if not _is_slice(c) and c.name != answer.metric]
    first = [*_verdict(screen, answer, each), *_slices(screen, answer, slices, each)]
    second = _rest(screen, rest, each)
    return Body(placed([first, second], columns, each, width))


def _is_slice(check: wire.Check) -> bool:
    return "=" in check.name


def _main(answer: wire.CompareAnswer) -> wire.Check | None:
    return next((c for c in answer.lines if c.name == answer.metric), None)


def _verdict(screen: Screen, answer: wire.CompareAnswer, width: int) -> list[Line]:
    """Say in a sentence whether they can be told apart, then show it."""
    a, b = answer.a, answer.b
    if answer.missing and not answer.lines:
        return [*told(f"They cannot be told apart: {answer.missing}", width), ()]
    main = _main(answer)
    said, style = _sentence(answer, main)
    blocks = answer.block if answer.blocks != 1 else answer.block.removesuffix("s")
    rows = f"n {count(answer.n)} in {answer.blocks} {blocks}, {days(answer.since, answer.until)}"
    better = "higher" if answer.higher_is_better else "lower"
    values = ", ".join(f"{inert(k)} {figure(v)}" for k, v in answer.values.items())
    lines = told(said, width, style=style)
    lines += told(answer.missing, width, style="warn") if answer.missing else []
    pairs = [
        (metric_word(answer.metric), f"{values}; {better} is better"),
        ("rows", f"{rows}, newer than what {a} and {b} were trained on"),
    ]
    lines += [*aligned(pairs, width), ()]
    if main is not None:
        lines += judged.legend(f"no difference; right of it {b} is better", width, screen.glyphs)
        lines += _forest(screen, [main], _axis([main]), width)
    return [*lines, ()]


def _sentence(answer: wire.CompareAnswer, main: wire.Check | None) -> tuple[str, Style]:
    a, b = answer.a, answer.b
    if main is None or main.value is None or main.low is None or main.high is None:
        return f"{a} and {b} are not told apart: there is no interval yet.", "warn"
    if main.low > 0:
        return f"{b} is better than {a}: the whole interval is above 0.", "good"
    if main.high < 0:
        return f"{b} is WORSE than {a}: the whole interval is below 0.", "bad"
    return f"{a} and {b} are not told apart: 0 lies within the interval.", "warn"


def _slices(
    screen: Screen, answer: wire.CompareAnswer, found: list[wire.Check], width: int
) -> list[Line]:
    head = title(f"Slices, worst for {inert(answer.b)} first", width)
    if not found:
        return [
            head,
            *told("no slice has enough rows, or none is declared", width, style="dim"),
            (),
        ]
    worst = sorted(found, key=lambda c: (c.value is None, c.value or 0.0))
    return [head, *_forest(screen, worst, _axis(found), width), ()]


def _axis(found: list[wire.Check]) -> tuple[float, float]:
    ends = [v for c in found for v in (c.low, c.high, c.value) if v is not None]
    return min([0.0, *ends]), max([0.0, *ends])


def _forest(
    screen: Screen, found: list[wire.Check], axis: tuple[float, float], width: int
) -> list[Line]:
    """Draw one line a check, all on the same axis."""
    names = [inert(metric_word(c.name)) for c in found]
    named = min(20, max(width_of(n) for n in names))
    numbers = [f"{judged.value(c)}  n {count(c.n)}" for c in found]
    tail = max(width_of(n) for n in numbers)
    room = min(_PLOT, width - named - tail - 5)
    lines: list[Line] = []
    for name, check, number in zip(names, found, numbers, strict=True):
        style: Style = ""
        if check.low is not None and check.high is not None:
            style = "bad" if check.high < 0 else "good" if check.low > 0 else ""
        drawn = judged.span(check, 0.0, room, screen.glyphs, axis)
        start = Span(f" {pad(name, named)}  ", "bold")
        if drawn or room >= 0:
            plot = (Span(f"{drawn}  ", style),) if drawn else ()
            lines.append((start, *plot, Span(lead(number, tail), style)))
        else:
            lines += [(start,), line((f"   {number}", style))]
    return lines


def _rest(screen: Screen, found: list[wire.Check], width: int) -> list[Line]:
    """Draw the KPI, the calibration and how often the answers differ."""
    sure = [c for c in found if c.low is not None]
    plain = [c for c in found if c.low is None]
    lines: list[Line] = []
    if sure:
        lines += [title("KPI and calibration", width)]
        lines += judged.checks(sure, width, screen.glyphs)
        lines.append(())
    if plain:
        lines += [title("How their answers differ", width)]
        lines += aligned([(c.name, f"{judged.value(c)}, n {count(c.n)}") for c in plain], width)
        lines.append(())
    return lines


PAGE = Page(
    "compare",
    title=lambda subject: f"{subject.other} against {subject.version} of {subject.model}",
    draw=_draw,
    ask=_ask,
    about=_about,
    keys=("reload",),
    live=False,
    waiting="measuring both versions on the same rows, in a process of its own: some seconds",
)
