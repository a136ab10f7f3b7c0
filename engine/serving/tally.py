"""Counts of what was answered, for the status over the control socket. Loses all at a restart."""

from collections import Counter, deque
from collections.abc import Iterable, Iterator

KEPT_LATENCIES = 1000
MAX_VERSIONS = 64
RATE_S = 10


class Tally:
    """Counts of one process; touched by the event loop only."""

    def __init__(self) -> None:
        self.requests = 0
        self.failed = 0
        self._generations: dict[str, int] = {}
        self._answers: dict[str, Counter[str]] = {}
        self._errors: dict[str, Counter[str]] = {}
        self._refused: dict[str, Counter[str]] = {}
        self._spared: dict[str, Counter[str]] = {}
        self._latencies: dict[tuple[str, str], deque[float]] = {}
        self._seconds: dict[int, int] = {}

    def request(self, now_s: float) -> None:
        """Count a request at a time of the monotonic clock."""
        self.requests += 1
        second = int(now_s)
        self._seconds[second] = self._seconds.get(second, 0) + 1
        if len(self._seconds) > RATE_S + 2:
            oldest = second - RATE_S - 1
            self._seconds = {s: n for s, n in self._seconds.items() if s >= oldest}

    def generation(self, model: str, generation: int) -> None:
        """Begin to count answers anew where the generation of a model changed."""
        if self._generations.get(model) != generation:
            self._generations[model] = generation
            self._answers[model] = Counter()
            self._errors[model] = Counter()
            self._refused[model] = Counter()
            self._spared[model] = Counter()

    def answered(
        self, model: str, generation: int, version: str, rows: int, latency_ms: float
    ) -> None:
        """Count rows; those routed by an older generation only in the latencies."""
        if self._generations.get(model) == generation:
            self._answers[model][version] += rows
        key = (model, version)
        if key not in self._latencies:
            if len(self._latencies) >= MAX_VERSIONS:
                del self._latencies[next(iter(self._latencies))]
            self._latencies[key] = deque(maxlen=KEPT_LATENCIES)
        self._latencies[key].append(latency_ms)

    def erred(self, model: str, generation: int, version: str, rows: int) -> None:
        """Count rows that a version could not answer."""
        if self._generations.get(model) == generation:
            self._errors[model][version] += rows

    def errors(self, model: str) -> dict[str, int]:
        """Return rows per version that it could not answer, since the generation began."""
        return dict(self._errors.get(model, {}))

    def refused(
        self, model: str, generation: int, version: str, rows: int, takers: Iterable[str]
    ) -> None:
        """Count rows of a request that a version's contract refused and others would have taken."""
        if self._generations.get(model) == generation:
            self._refused[model][version] += rows
            for taker in takers:
                self._spared[model][taker] += rows

    def refusals(self, model: str) -> dict[str, int]:
        """Return rows per version that its contract refused, since the generation began."""
        return dict(self._refused.get(model, {}))

    def spared(self, model: str) -> dict[str, int]:
        """Return how many of the refused rows each other version would have taken."""
        return dict(self._spared.get(model, {}))

    def by_version(self, model: str) -> dict[str, int]:
        """Return rows answered per version since the generation began."""
        return dict(self._answers.get(model, {}))

    def quantiles(self, model: str) -> Iterator[tuple[str, float, float, int]]:
        """Yield version, median and 95th percentile in ms, and n of the last answers."""
        for (name, version), found in self._latencies.items():
            if name == model and found:
                ordered = sorted(found)
                n = len(ordered)
                yield version, ordered[n // 2], ordered[min(n - 1, n * 95 // 100)], n

    def rate(self, now_s: float) -> float:
        """Return requests per second over the last ten whole seconds."""
        second = int(now_s)
        return sum(self._seconds.get(s, 0) for s in range(second - RATE_S, second)) / RATE_S
