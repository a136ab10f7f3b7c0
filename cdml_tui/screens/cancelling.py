"""What the key that cancels would do to a run, or why it cannot."""

from cdml_tui.panes.figures import span_of
from cdml_tui.state import Intent
from engine import wire


def cancels(run: wire.JobRow | None) -> Intent | str:
    """Return the cancelling of a run, or why there is nothing to be cancelled."""
    if run is None:
        return "there is no run to cancel"
    if run.ended_at is not None:
        return f"{run.id} has ended already: {run.state}"
    left = f", about {span_of(run.left_s)} left" if run.left_s else ""
    far = f", {run.progress * 100:.0f} % done{left}" if run.progress is not None else ""
    return Intent(
        "cancel",
        run.model,
        None,
        None,
        about=run.id,
        careful="what it made so far is dropped",
        effect=(("ends", f"{run.job}, {run.state}{far}"), ("because", run.cause)),
        same_as=f"cdml cancel {run.id}",
    )
