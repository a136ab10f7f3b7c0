"""Every page by its name, which is also the name of the action that opens it."""

from cdml_tui.screens import compare, drift, events, overview, performance, version
from cdml_tui.screens import help as keys
from cdml_tui.screens.page import Page

PAGES: dict[str, Page] = {
    page.name: page
    for page in (
        events.PAGE,
        keys.PAGE,
        version.PAGE,
        compare.PAGE,
        drift.PAGE,
        performance.PAGE,
        overview.PAGE,
    )
}
