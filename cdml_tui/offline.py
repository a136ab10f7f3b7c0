"""Rolling back while no engine answers: the one-shot command that works without it, for the key."""

import subprocess
import sys

import msgspec

from cdml_tui.client import ConsoleError
from cdml_tui.state import Intent
from engine.wire import ChangeAnswer, ErrorAnswer

DEADLINE_S = 20.0


def roll_back(path: str, intent: Intent) -> tuple[ChangeAnswer, str]:
    """Return the change, and what could not be confirmed; ConsoleError where it was refused."""
    command = [sys.executable, "-P", "-m", "engine", "rollback", intent.model, "-w", path]
    command += ["--offline", "--json", "--key", intent.idempotency_key]
    for option, value in (("--to", intent.to), ("--expect", intent.from_version)):
        command += [option, value] if value else []
    try:
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as e:
        raise ConsoleError("offline_failed", f"Rolling back without the engine: {e}.") from e
    if done.returncode != 0:
        error = msgspec.json.decode(done.stderr.splitlines()[-1], type=ErrorAnswer).error
        raise ConsoleError(error.code, error.message, error.field)
    return msgspec.json.decode(done.stdout, type=ChangeAnswer), done.stderr.decode().strip()
