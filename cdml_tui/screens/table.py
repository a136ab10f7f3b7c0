"""Every page by its name; of those that a key opens it is also the name of its action."""

from cdml_tui.screens import (
    alert,
    alerts,
    audit,
    batch,
    compare,
    data,
    drift,
    entry,
    events,
    incident,
    incidents,
    jobs,
    output,
    overview,
    performance,
    rollout,
    run,
    version,
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
        compare.PAGE,
        data.PAGE,
        drift.PAGE,
        entry.PAGE,
        events.PAGE,
        incident.PAGE,
        incidents.PAGE,
        jobs.PAGE,
        keys.PAGE,
        output.PAGE,
        overview.PAGE,
        performance.PAGE,
        rollout.PAGE,
        run.PAGE,
        version.PAGE,
    )
}
