"""What every test may use: where the project lies, and what all processes of one run share."""

import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.fence.sitecustomize import fence

# As jobs and serving have it: threads that wait for each other on busy cores cost a hundredfold.
for limit in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(limit, "1")

FENCE = Path(__file__).parent / "fence"


def pytest_configure(config: pytest.Config) -> None:
    """Put the fence around this process, and around all that it starts and those start."""
    if "CDML_FENCE" not in os.environ:
        handle, os.environ["CDML_FENCE"] = tempfile.mkstemp(prefix="cdml-fence-")
        os.close(handle)
        os.environ["PYTHONPATH"] = f"{FENCE}:{os.environ.get('PYTHONPATH', '')}".rstrip(":")
        config.add_cleanup(lambda: Path(os.environ["CDML_FENCE"]).unlink(missing_ok=True))
    fence(os.environ["CDML_FENCE"])


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Fail the run where any of its processes tried to call another machine."""
    noted = Path(os.environ["CDML_FENCE"]).read_text(encoding="utf-8")
    if noted and "PYTEST_XDIST_WORKER" not in os.environ:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
        session.config.get_terminal_writer().write(f"\ncalled another machine:\n{noted}")


@pytest.fixture(scope="session")
def root() -> Path:
    """Return the folder of the project."""
    return Path(__file__).parent.parent


@pytest.fixture(scope="session")
def common(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the temporary folder of the whole run: its test processes have theirs inside."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if "PYTEST_XDIST_WORKER" in os.environ else base


def made_once(common: Path, name: str, make: Callable[[], Path]) -> Path:
    """Return what the first test process of the run to ask for it made."""
    with (common / name).open("a+") as made:
        fcntl.flock(made, fcntl.LOCK_EX)
        made.seek(0)
        if not (found := made.read()):
            found = str(make())
            made.write(found)
    return Path(found)


@pytest.fixture(scope="session")
def stock(common: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a stopped workspace with champion v1 and v2 past its gate; only to be copied."""
    from tests.box import stocked

    return made_once(common, "stock", lambda: stocked(tmp_path_factory.mktemp("stock")))
