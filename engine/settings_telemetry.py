"""What others may see of a workspace from outside, and where: nothing, unless it is said here."""

from typing import Annotated
from urllib.parse import urlsplit

import msgspec

from engine.quantities import address, is_loopback
from engine.settings_rules import between, read, says, wrong


class TelemetrySettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where Prometheus reads the engine's numbers, and where a collector of traces is."""

    listen: Annotated[
        str | None,
        says("Address and port of the engine's /metrics, loopback only; absent: the socket alone."),
    ] = None

    otlp: Annotated[
        str | None,
        says("Where traces and numbers go over OTLP/HTTP, like http://127.0.0.1:4318; absent: no."),
    ] = None
    share: Annotated[
        float, says("Of requests whose clients leave it open, so many are traced, 0 to 1.")
    ] = 1.0
    secrets: Annotated[
        str, says("Where the headers of otlp stand, as [headers] NAME = VALUE; if there is one.")
    ] = "keys/otlp.toml"

    def __post_init__(self) -> None:
        between("share", self.share, 0.0, 1.0)
        if self.otlp is not None:
            found = urlsplit(self.otlp)
            if found.scheme not in ("http", "https") or not found.hostname or found.username:
                wrong("otlp", "it is no http:// or https:// URL without a password. Write one.")
        if self.listen is not None:
            host, _ = read("listen", address, self.listen)
            if not is_loopback(host):
                wrong(
                    "listen",
                    f'found "{self.listen}", which others than this machine reach, and nobody is '
                    "asked who they are there. Write a loopback address, like 127.0.0.1:9464.",
                )
