"""What others may see of a workspace from outside, and where: nothing, unless it is said here."""

from typing import Annotated

import msgspec

from engine.quantities import address, is_loopback
from engine.settings_rules import read, says, wrong


class TelemetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where the engine's own numbers are shown to Prometheus besides the control socket."""

    listen: Annotated[
        str | None,
        says("Address and port of the engine's /metrics, loopback only; absent: the socket alone."),
    ] = None

    def __post_init__(self) -> None:
        if self.listen is not None:
            host, _ = read("listen", address, self.listen)
            if not is_loopback(host):
                wrong(
                    "listen",
                    f'found "{self.listen}", which others than this machine reach, and nobody is '
                    "asked who they are there. Write a loopback address, like 127.0.0.1:9464.",
                )
