"""Gathers dist/wheelhouse: all that a machine without any registry needs to install and run cdml.

Only what it needs to run, as requirements.lock has it, as wheels for this interpreter and machine.
"""

import hashlib
import platform
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).parent.parent
LOCK = "requirements.lock"
INSTALL = """\
#!/bin/sh
# Installs cdml from the wheels beside this file into a new environment; no network is needed.
set -eu
here=$(cd "$(dirname "$0")" && pwd)
to=${{1:?"say where to: ./install DIR"}}
python=${{PYTHON:-python{minor}}}
tell='import sys, platform; print("%d.%d" % sys.version_info[:2], platform.machine())'
found=$("$python" -c "$tell")
if [ "$found" != "{minor} {machine}" ]; then
  echo "These wheels are for Python {minor} on {machine}, and $python is $found." >&2
  echo "Name one that fits: PYTHON=python{minor} ./install $to" >&2
  exit 1
fi
"$python" -m venv "$to"
"$to/bin/python" -m pip install --quiet --disable-pip-version-check --no-index \\
  --find-links "$here" --require-hashes --requirement "$here/{lock}"
echo "cdml is at $to/bin/cdml"
"""
README = """\
cdml {version} and all it needs, for Python {minor} on {system} {machine}; no network is needed:

    ./install DIR               # a new environment; then DIR/bin/cdml demo

The same by hand, into an environment that is there already:

    pip install --no-index --find-links . --require-hashes --requirement {lock}

Every file is checked by the hash that {lock} has for it.
"""


def closure(lines: Iterable[str]) -> set[str]:
    """Return the distributions that these need on this machine, themselves included."""
    found: set[tuple[str, str]] = set()
    waiting = [Requirement(line) for line in lines]
    while waiting:
        wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        for extra in {"", *wanted.extras} - {e for n, e in found if n == name}:
            found.add((name, extra))
            waiting += needed(name, extra)
    return {name for name, _ in found}


def needed(name: str, extra: str) -> Iterator[Requirement]:
    """Yield what an installed distribution asks for here: for itself, or for an extra of it."""
    try:
        lines = requires(name) or []
    except PackageNotFoundError as e:
        raise SystemExit(f"{name} is not installed here: run make env, then try again.") from e
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"extra": extra}):
            yield requirement


def locked(text: str, names: set[str]) -> str:
    """Return the entries of a lock that are of these distributions, their hashes with them."""
    entries = re.split(r"(?m)^(?=[a-z0-9])", text)[1:]
    by_name = {canonicalize_name(e.partition("==")[0]): e for e in entries}
    missing = sorted(names - set(by_name))
    if missing:
        raise SystemExit(f"{LOCK} does not hold {', '.join(missing)}: run make lock.")
    kept = "".join(by_name[n] for n in sorted(names))
    return re.sub(r"(?m)^\s*#.*\n", "", kept)


def gather(to: Path) -> None:
    """Build cdml's own wheel and fetch the others; the folder is whole or not there."""
    part = to.with_name(f".{to.name}.part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lock = part / LOCK
    lock.write_text(locked((ROOT / LOCK).read_text(), closure(project["dependencies"])))
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    download = ["download", "--require-hashes", "--no-deps", "--only-binary", ":all:"]
    subprocess.run([*pip, *download, "--dest", part, "--requirement", lock], check=True)
    build = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", part]
    subprocess.run(build, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
    (own,) = part.glob("cdml-*.whl")
    digest = hashlib.sha256(own.read_bytes()).hexdigest()
    with lock.open("a") as file:
        file.write(f"cdml=={project['version']} \\\n    --hash=sha256:{digest}\n")
    said = {
        "version": project["version"],
        "minor": ".".join(platform.python_version_tuple()[:2]),
        "system": platform.system(),
        "machine": platform.machine(),
        "lock": LOCK,
    }
    (part / "README").write_text(README.format(**said))
    (part / "install").write_text(INSTALL.format(**said))
    (part / "install").chmod(0o755)
    shutil.rmtree(to, ignore_errors=True)
    part.rename(to)
    size = sum(f.stat().st_size for f in to.iterdir())
    print(f"{to}: {len(list(to.glob('*.whl')))} wheels, {size / 2**20:.0f} MiB")  # noqa: T201


if __name__ == "__main__":
    gather(ROOT / "dist/wheelhouse")
