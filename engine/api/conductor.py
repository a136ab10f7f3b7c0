"""What the control API asks of whoever keeps the beat."""

from typing import Protocol, TypeVar

from engine import wire

T = TypeVar("T")
SHOWN = 50


class Conductor(Protocol):
    """What the desk asks of whoever keeps the beat; the daemon has the real one."""

    pid: int
    boot: str
    started: str
    version: str

    def submit(self, model: str, job: str, cause: str, version: str | None = None) -> wire.JobRow:
        """Queue a run; `version` is what a validation is about."""

    def measure(self, model: str, verb: str, inputs: object, answer: type[T]) -> T:
        """Run a measuring verb in a limited process now and return its checked answer."""

    def runs(self, limit: int = SHOWN) -> list[wire.JobRow]:
        """Return running and queued runs, and the newest of the finished ones."""

    def a_run(self, run: str) -> wire.JobRow:
        """Return one run."""

    def check_cancel(self, run: str) -> None:
        """Raise RefusedError where nothing of a run can be cancelled."""

    def cancel(self, run: str) -> wire.JobRow:
        """End a run that waits or works."""

    def untold(self) -> dict[str, str]:
        """Return the targets that cannot be told what happens, each with the reason."""

    def schedules(self) -> list[wire.ScheduleRow]:
        """Return when each schedule is due next."""

    def arrived(self, model: str) -> None:
        """Do what new accepted rows call for."""

    def move(self, to: str) -> None:
        """Move a simulated clock and do all that is due by then."""

    def reload(self) -> str:
        """Read cdml.toml again; return what happened."""

    def wake_due(self) -> None:
        """Look at what is due now: a lock may have been lifted."""

    def stop(self) -> None:
        """End the engine and what it started."""

    def serving_state(self) -> wire.ServingState:
        """Return the serving process as last heard."""

    def answers(self, model: str) -> tuple[int, dict[str, int]]:
        """Return serving's generation of a model and its answers since, asked now."""
