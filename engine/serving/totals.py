"""What several workers say of themselves as one: counts add up, a version is loaded if in all."""

import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from engine.serving.control import ServedModel, ServingStatus, Synced, VersionLatency


def together(parts: Sequence[ServingStatus], started: str) -> ServingStatus:
    """Return one status for one worker or more, with this process and its start for all."""
    first = parts[0]
    return ServingStatus(
        pid=os.getpid(),
        boot=first.boot,
        started=started,
        listen=first.listen,
        rss_bytes=resident_bytes() + sum(p.rss_bytes for p in parts),
        requests=sum(p.requests for p in parts),
        failed=sum(p.failed for p in parts),
        dropped=sum(p.dropped for p in parts),
        shadow_dropped=sum(p.shadow_dropped for p in parts),
        sync_failures=sum(p.sync_failures for p in parts),
        spool_bytes=max(p.spool_bytes for p in parts),
        spool_segment=first.spool_segment,
        spool_offset=first.spool_offset,
        requests_per_s=sum(p.requests_per_s for p in parts),
        models=_models(parts),
        workers=[worker for p in parts for worker in p.workers],
    )


def resident_bytes() -> int:
    """Return the memory that this process holds."""
    with open("/proc/self/statm", "rb") as file:  # noqa: PTH123 - not a file on any disk
        return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def in_force(parts: Sequence[Synced]) -> Synced:
    """Return the generations that every worker has reached, and what failed in any."""
    models = {model for p in parts for model in p.generations}
    generations = {
        model: min(p.generations[model] for p in parts)
        for model in models
        if all(model in p.generations for p in parts)
    }
    return Synced(generations, {key: why for p in parts for key, why in p.failures.items()})


def _models(parts: Sequence[ServingStatus]) -> list[ServedModel]:
    found: dict[str, list[ServedModel]] = {}
    for part in parts:
        for model in part.models:
            found.setdefault(model.model, []).append(model)
    return [_model(found[name]) for name in sorted(found)]


def _model(parts: Sequence[ServedModel]) -> ServedModel:
    """Return one model by those workers that are furthest behind."""
    behind = min(parts, key=lambda p: p.generation)
    return ServedModel(
        model=behind.model,
        generation=behind.generation,
        champion=behind.champion,
        canary=behind.canary,
        shadow=behind.shadow,
        loaded=[v for v in behind.loaded if all(v in p.loaded for p in parts)],
        failures={version: why for p in parts for version, why in p.failures.items()},
        answers=_sum(p.answers for p in parts if p.generation == behind.generation),
        errors=_sum(p.errors for p in parts if p.generation == behind.generation),
        refused=_sum(p.refused for p in parts if p.generation == behind.generation),
        spared=_sum(p.spared for p in parts if p.generation == behind.generation),
        latency=_latencies(parts),
        memory=_sum(p.memory for p in parts),
    )


def _sum(counts: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: Counter[str] = Counter()
    for count in counts:
        total.update(count)
    return dict(total)


def _latencies(parts: Sequence[ServedModel]) -> dict[str, VersionLatency]:
    """Return each version's quantiles as the mean of the workers', weighted by their answers."""
    found: dict[str, list[VersionLatency]] = {}
    for part in parts:
        for version, latency in part.latency.items():
            found.setdefault(version, []).append(latency)
    return {version: _mean(of) for version, of in found.items()}


def _mean(parts: Sequence[VersionLatency]) -> VersionLatency:
    n = sum(p.n for p in parts)
    return VersionLatency(
        sum(p.p50_ms * p.n for p in parts) / n, sum(p.p95_ms * p.n for p in parts) / n, n
    )
