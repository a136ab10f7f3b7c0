"""What several workers say, as one."""

import os

from engine.serving.control import (
    ServedModel,
    ServingStatus,
    Synced,
    VersionLatency,
    WorkerStatus,
)
from engine.serving.totals import in_force, together

START = "2026-01-01T00:00:00Z"


def served(generation: int, answers: dict[str, int], loaded: list[str], p95: float) -> ServedModel:
    """One model of one worker."""
    return ServedModel(
        model="late",
        generation=generation,
        champion=f"v{generation}",
        canary=None,
        shadow=None,
        loaded=loaded,
        failures={},
        answers=answers,
        errors=answers,
        refused=answers,
        spared=answers,
        latency={"v1": VersionLatency(p95 / 2, p95, sum(answers.values()))},
        memory=dict.fromkeys(loaded, 100),
    )


def status(pid: int, model: ServedModel) -> ServingStatus:
    """One worker."""
    worker = WorkerStatus(pid, START, 1000, 5, {"late": model.generation})
    return ServingStatus(
        pid=pid,
        boot=str(pid),
        started=START,
        listen="127.0.0.1:1",
        rss_bytes=1000,
        requests=5,
        failed=1,
        dropped=2,
        shadow_dropped=3,
        sync_failures=4,
        spool_bytes=70,
        spool_segment="a-1.seg",
        spool_offset=7,
        requests_per_s=1.5,
        models=[model],
        workers=[worker],
    )


def test_counts_add_up_and_a_version_is_loaded_if_it_is_in_all() -> None:
    one = status(11, served(1, {"v1": 3}, ["v1", "v2"], 10.0))
    two = status(12, served(1, {"v1": 1}, ["v1"], 30.0))
    whole = together([one, two], START)
    assert (whole.pid, whole.requests, whole.failed, whole.dropped) == (os.getpid(), 10, 2, 4)
    assert (whole.requests_per_s, whole.spool_bytes) == (3.0, 70)
    assert whole.rss_bytes > 2000
    assert [w.pid for w in whole.workers] == [11, 12]
    (late,) = whole.models
    assert (late.answers, late.errors, late.loaded) == ({"v1": 4}, {"v1": 4}, ["v1"])
    assert (late.refused, late.spared) == ({"v1": 4}, {"v1": 4})
    assert late.memory == {"v1": 200, "v2": 100}
    assert late.latency == {"v1": VersionLatency(7.5, 15.0, 4)}


def test_the_worker_furthest_behind_speaks_for_all() -> None:
    one = status(11, served(2, {"v2": 3}, ["v1", "v2"], 10.0))
    two = status(12, served(1, {"v1": 1}, ["v1"], 30.0))
    (late,) = together([one, two], START).models
    assert (late.generation, late.champion, late.answers) == (1, "v1", {"v1": 1})


def test_a_generation_is_in_force_when_all_have_it() -> None:
    one = Synced({"late": 3, "delay": 1}, {})
    two = Synced({"late": 2}, {"late/v9": "damaged"})
    assert in_force([one, two]) == Synced({"late": 2}, {"late/v9": "damaged"})
