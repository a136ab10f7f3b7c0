"""The environment that a version was made in: what may change the numbers of the same training."""

import importlib.metadata
import os
import platform

_PACKAGES = ("numpy", "scikit-learn", "scipy", "skops")


def packages() -> dict[str, str]:
    """Return the versions of the packages that fit and store estimators."""
    return {p: importlib.metadata.version(p) for p in _PACKAGES}


def environment() -> dict[str, str]:
    """Return interpreter, machine, threads and packages, by name."""
    return {
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
        "libc": " ".join(platform.libc_ver()).strip(),
        "threads": os.environ.get("OMP_NUM_THREADS", "all"),
        **packages(),
    }
