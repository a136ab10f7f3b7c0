"""What of the engine goes out to others: its numbers on a port of their own, if that is wanted."""

from engine.errors import CdmlError
from engine.pipeline.figures import Figures
from engine.pipeline.site import Site
from engine.telemetry.listener import Listener


class Outlets:
    """The ways out, as the settings have them; a way that cannot be opened hurts nobody."""

    def __init__(self, site: Site) -> None:
        self.figures = Figures(site)
        self._site = site
        self._listener: Listener | None = None
        self._listens: str | None = None

    def apply(self) -> None:
        """Open and close what the settings of now ask for; what cannot be opened is told."""
        wanted = self._site.settings.telemetry
        if wanted.listen != self._listens or (wanted.listen and self._listener is None):
            self._close_listener()
            self._listens = wanted.listen
            try:
                if wanted.listen:
                    self._listener = Listener(wanted.listen, self.figures.text)
            except CdmlError as e:
                self._site.tell("WARN", "telemetry", None, e.message)

    def close(self) -> None:
        """Close all of them."""
        self._close_listener()

    def _close_listener(self) -> None:
        if self._listener is not None:
            self._listener.close()
            self._listener = None
