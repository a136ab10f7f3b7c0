"""Every page by its name; of those that a key opens it is also the name of its action."""

from cdml_tui.screens import (
    alert,
    alerts,
    audit,
    batch,
    data,
    entry,
    events,
    incident,
    incidents,
    jobs,
    rollout,
    run,
)
from cdml_tui.screens import help as keys
from cdml_tui.screens.page import Page

PAGES: dict[str, Page] = {
    page.name: page
    for page in (
        alert.PAGE,
        alerts.PAGE,
        audit.PAGE,
        batch.PAGE,
        data.PAGE,
        entry.PAGE,
        events.PAGE,
        incident.PAGE,
        incidents.PAGE,
        jobs.PAGE,
        keys.PAGE,
        rollout.PAGE,
        run.PAGE,
    )
}
