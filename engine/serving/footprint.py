"""The memory that a loaded estimator holds, by walking what it refers to, and giving it back."""

import contextlib
import ctypes
import gc
import sys
from types import BuiltinFunctionType, FunctionType, ModuleType
from typing import Any

import numpy as np

# Shared by all of the process: not an estimator's own.
_SHARED = (type, ModuleType, BuiltinFunctionType)


def footprint(root: object) -> int:
    """Return the bytes of an object and all that only it leads to.

    scikit-learn's trees keep their nodes outside Python's sight; their state tells them.
    """
    seen: set[int] = set()
    # Held until the end, so that no id is given to a second object meanwhile.
    held: list[Any] = [root]
    total = 0
    for found in held:
        if id(found) in seen or isinstance(found, _SHARED):
            continue
        seen.add(id(found))
        total += sys.getsizeof(found)
        if isinstance(found, np.ndarray) and found.base is not None:
            # A view: its numbers are another array's, or lie where Python does not count.
            total += 0 if isinstance(found.base, np.ndarray) else found.nbytes
            held.append(found.base)
        if type(found).__module__ == "sklearn.tree._tree":
            held += [v for v in found.__getstate__().values() if isinstance(v, np.ndarray)]
        if isinstance(found, FunctionType):
            held += [cell.cell_contents for cell in found.__closure__ or ()]
        else:
            held += gc.get_referents(found)
    return total


def give_back() -> None:
    """Return freed memory to the kernel: unpacking a version frees more than it keeps."""
    with contextlib.suppress(OSError, AttributeError):  # a C library without it
        ctypes.CDLL(None).malloc_trim(0)
