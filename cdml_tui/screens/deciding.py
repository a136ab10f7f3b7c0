"""What the keys that decide about a delivered file would do, or why they cannot."""

from collections.abc import Callable, Mapping
from typing import Literal

from cdml_tui.panes.batches import taint_of
from cdml_tui.screens.page import Offer
from cdml_tui.sheet import Sheet
from cdml_tui.state import Intent
from engine import wire

_TYPED = 6

On = Callable[[Sheet], tuple[wire.BatchRow | None, tuple[wire.Taint, ...]]]


def decides(on: On) -> Mapping[str, Offer]:
    """Return the three keys, for the batch that a page stands on."""
    return {
        "accept": lambda _, sheet: _set_aside("accept", sheet.subject.model, on(sheet)[0]),
        "discard": lambda _, sheet: _set_aside("discard", sheet.subject.model, on(sheet)[0]),
        "taint": lambda _, sheet: _taint(sheet.subject.model, *on(sheet)),
    }


def _set_aside(
    verb: Literal["accept", "discard"], model: str | None, batch: wire.BatchRow | None
) -> Intent | str:
    if batch is None or model is None:
        return "there is no batch here"
    if batch.verdict != "quarantined":
        said = batch.verdict.replace("_", " ")
        return f"{batch.batch} is {said}; only what is set aside can be taken in or discarded"
    found = "; ".join(batch.reasons) or "no reason is kept"
    same = f"cdml quarantine {model} {verb} {batch.batch} --reason T"
    if verb == "accept":
        return Intent(
            "accept",
            model,
            None,
            None,
            override=("quarantine",),
            about=batch.batch,
            careful=found,
            effect=(("takes in", f"{_rows(batch)}; the next training has them"),),
            same_as=same,
            wants=("version", "reason"),
            word=batch.batch[:_TYPED],
        )
    return Intent(
        "discard",
        model,
        None,
        None,
        about=batch.batch,
        effect=(
            ("puts away", f"{_rows(batch)}; the file is kept, apart"),
            ("way back", "deliver the file again"),
            ("found", found),
        ),
        same_as=same,
        wants=("reason",),
    )


def _taint(
    model: str | None, batch: wire.BatchRow | None, taints: tuple[wire.Taint, ...]
) -> Intent | str:
    if batch is None or model is None:
        return "there is no batch here"
    if batch.kind == "labels":
        return f"{batch.batch} is a file of labels; taint the batch of their rows"
    if (taint := taint_of(batch, taints)) is not None:
        lift = f"cdml taint {model} --lift {taint.number}"
        return f"{batch.batch} is tainted already, by {taint.owner}; {lift} lifts it"
    if batch.verdict in ("quarantined", "discarded"):
        return f"{batch.batch} was never taken in: nothing is trained on it"
    return Intent(
        "taint",
        model,
        None,
        None,
        about=batch.batch,
        careful="versions trained on it can neither be promoted nor gone back to",
        effect=(
            ("taints", f"{_rows(batch)}; nothing is trained on them any more"),
            ("way back", f"cdml taint {model} --lift N"),
        ),
        same_as=f"cdml taint {model} --batch {batch.batch} --reason T",
        wants=("reason",),
    )


def _rows(batch: wire.BatchRow) -> str:
    """Name the rows or labels; of a file that was not taken in they may not have been counted."""
    return f"{f'{batch.rows} ' if batch.rows else 'the '}{batch.kind} of {batch.file}"
