"""Selecting versions and models on the base screen. Pure."""

from dataclasses import replace

from cdml_tui.state import Screen, listed, looked_at, model_of


def moved(screen: Screen, to: str) -> Screen:
    """Select another version."""
    model = model_of(screen)
    names = [row.version for row in listed(screen, model)] if model else []
    if not names:
        return replace(screen, message="no versions to select yet")
    here = names.index(screen.selected) if screen.selected in names else 0
    last = len(names) - 1
    steps = {"up": -1, "down": 1, "first": -last, "last": last, "page_up": -9, "page_down": 9}
    index = here + steps[to]
    return looked_at(replace(screen, selected=names[max(0, min(index, last))]))


def model_changed(screen: Screen) -> Screen:
    """Show the next model."""
    names = [m.model for m in screen.snapshot.models] if screen.snapshot else []
    if len(names) < 2:
        return replace(screen, message="there is only this model" if names else "no models yet")
    here = names.index(screen.model) if screen.model in names else 0
    return looked_at(
        replace(
            screen,
            model=names[(here + 1) % len(names)],
            selected=None,
            outcome=None,
            marks=(),
            filters=(),
        )
    )


def marked(screen: Screen) -> Screen:
    """Mark the selected version, or take its mark away; a third mark replaces the oldest."""
    version = screen.selected
    if version is None:
        return replace(screen, message="there is no version to mark yet")
    if version in screen.marks:
        left = tuple(m for m in screen.marks if m != version)
        return replace(screen, marks=left, message=f"{version} is not marked any more")
    marks = (*screen.marks, version)[-2:]
    return replace(screen, marks=marks, message=f"marked: {' and '.join(marks)}")
