"""What brings an empty workspace its first model and its first version; done steps say so."""

from cdml_tui.panes.line import Line, Span, Style, inert, pad, wrapped
from cdml_tui.reach import key_of
from cdml_tui.state import Screen, model_of
from engine import wire

_NAME = 9


def first_steps(screen: Screen, width: int) -> list[Line]:
    """Draw the steps, the next one marked."""
    steps = _steps(screen)
    at = next((n for n, (_, __, done) in enumerate(steps) if not done), len(steps))
    lines: list[Line] = []
    for number, (name, text, done) in enumerate(steps):
        style: Style = "key" if number == at else "dim"
        mark = " ok " if done else f" {number + 1}  "
        said = wrapped(text, max(1, width - _NAME - 5))
        for row, one in enumerate(said):
            start = mark + pad(name, _NAME) if row == 0 else " " * (_NAME + 4)
            body: Style = "" if number == at else "dim"
            lines.append((Span(start, style if row == 0 else ""), Span(one, body)))
    return lines


def next_step(screen: Screen) -> str:
    """Say the next step in a few words."""
    open_steps = [text for _, text, done in _steps(screen) if not done]
    return open_steps[0].partition(";")[0].partition(",")[0] if open_steps else ""


def _has_rows(state: wire.State, model: str) -> bool:
    """Say whether rows of a model were seen to arrive, or training has used some."""
    taken = any(e.kind == "ingest" and e.level == "INFO" and e.model == model for e in state.events)
    return taken or any(j.model == model and j.job == "train" for j in state.jobs)


def _steps(screen: Screen) -> list[tuple[str, str, bool]]:
    state, model = screen.snapshot, model_of(screen)
    if state is None:
        return []
    if model is None:
        file = f"{inert(state.path)}/cdml.toml"
        return [
            (
                "a model",
                f"cdml init writes one from a table; or add [models.NAME] to {file}",
                False,
            ),
            ("reload", "cdml reload has the engine read it", False),
        ]
    name = inert(model.model)
    trained = any(j.model == model.model and j.job == "train" and j.ended_at for j in state.jobs)
    rows = f"cdml ingest {name} FILE, or drop the file into incoming/{name}/"
    return [
        ("rows", rows, _has_rows(state, model.model)),
        ("training", f"{key_of(screen, 'train')} trains on them; new rows may do so by themselves",
         trained),
        ("gate", "a version that passes serves, by itself or by a person's yes; see its job below",
         False),
    ]  # fmt: skip
