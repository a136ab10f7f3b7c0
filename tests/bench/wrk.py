"""Load by wrk (github.com/wg/wrk): one run, what it counted, and what the server spent on it."""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.process import family_cpu_s

# Bodies are told apart, so that nothing that answers can remember the last one.
_SCRIPT = """
local requests, at = {}, 0
function init(args)
  local headers = {["content-type"] = "application/json"}
  for body in io.lines(args[1]) do
    requests[#requests + 1] = wrk.format("POST", nil, headers, body)
  end
end
function request()
  at = at % #requests + 1
  return requests[at]
end
function done(summary, latency, _)
  local e = summary.errors
  io.stderr:write(string.format(
    '{"requests":%d,"us":%d,"p50_us":%d,"p99_us":%d,"failed":%d}', summary.requests,
    summary.duration, latency:percentile(50), latency:percentile(99),
    e.connect + e.read + e.write + e.status + e.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run; `per_core_s` counts user and system time of the serving process alone."""

    requests: int
    failed: int
    per_s: float
    per_core_s: float
    p50_ms: float
    p99_ms: float


def require() -> None:
    """Exit with one sentence where there is no wrk."""
    if shutil.which("wrk") is None:
        sys.exit(
            "The serving bench puts its load on with wrk: install it (Debian: apt install wrk)."
        )


def run(url: str, connections: int, seconds: float, bodies: Sequence[bytes], pid: int) -> Run:
    """Keep connections busy for some seconds with these bodies in turn."""
    with tempfile.TemporaryDirectory(prefix="cdml-bench-") as name:
        folder = Path(name)
        (folder / "post.lua").write_text(_SCRIPT, encoding="utf-8")
        (folder / "bodies").write_bytes(b"\n".join(bodies))
        words = [f"-c{connections}", "-t1", f"-d{seconds:g}s", "--timeout", "10s"]
        files = ["-s", str(folder / "post.lua"), url, "--", str(folder / "bodies")]
        before = family_cpu_s(pid)
        done = subprocess.run(["wrk", *words, *files], capture_output=True, text=True, check=False)
        spent = family_cpu_s(pid) - before
    try:
        found = json.loads(done.stderr)
    except ValueError:
        sys.exit(f"wrk ended with {done.returncode}: {done.stdout[-500:]}{done.stderr[-500:]}")
    good = found["requests"] - found["failed"]
    return Run(
        found["requests"],
        found["failed"],
        good / (found["us"] / 1e6),
        good / spent if spent > 0 else 0.0,
        found["p50_us"] / 1e3,
        found["p99_us"] / 1e3,
    )
