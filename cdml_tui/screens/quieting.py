"""What the keys that quiet an alert would do to it, or why they cannot."""

from collections.abc import Callable, Mapping
from typing import Literal

from cdml_tui.screens.page import Offer
from cdml_tui.sheet import Sheet
from cdml_tui.state import Intent
from engine import wire

OnAlert = Callable[[Sheet], wire.AlertRow | None]


def quiets(on: OnAlert) -> Mapping[str, Offer]:
    """Return the two keys, for the alert that a page stands on."""
    return {
        "ack": lambda _, sheet: _quiet("ack", on(sheet)),
        "mute": lambda _, sheet: _quiet("mute", on(sheet)),
    }


def _quiet(verb: Literal["ack", "mute"], alert: wire.AlertRow | None) -> Intent | str:
    if alert is None:
        return "there is no alert to be quieted"
    if alert.state == "ended":
        return f"alert {alert.number} is over"
    if verb == "ack" and alert.state == "acknowledged":
        return f"alert {alert.number} is known already, to {alert.acked_by}"
    return Intent(verb, alert.model, None, None, alert=alert)
