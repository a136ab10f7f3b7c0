"""What a recipe of the user's own is made of: the source files beside cdml.toml, as one digest."""

import ast
import hashlib
from pathlib import Path


def digest(root: Path, recipe: str) -> str | None:
    """Return the sha256 of a recipe's module and of all it imports that lies beside cdml.toml.

    None for a built-in recipe and for a module that is installed elsewhere: its version is in the
    environment's fingerprint. A file that is no Python counts as it is; training names the fault.
    """
    if ":" not in recipe:
        return None
    found: dict[str, bytes] = {}
    waiting = [recipe.partition(":")[0]]
    while waiting:
        for path in files(root, waiting.pop()):
            name = path.relative_to(root).as_posix()
            if name not in found:
                found[name] = _content(path)
                waiting += imported(found[name])
    if not found:
        return None
    whole = hashlib.sha256()
    for name in sorted(found):
        whole.update(f"{name}\0{hashlib.sha256(found[name]).hexdigest()}\n".encode())
    return whole.hexdigest()


def newest_change(root: Path, recipe: str) -> float:
    """Return when a file of a recipe was last written, in seconds of the file system's clock."""
    times = []
    for path in files(root, recipe.partition(":")[0]):
        try:
            times.append(path.stat().st_mtime)
        except OSError:
            continue
    return max(times, default=0.0)


def files(root: Path, module: str) -> list[Path]:
    """Return the files of a module by its top name: one file, or a whole package."""
    top = module.partition(".")[0]
    single, package = root / f"{top}.py", root / top
    if single.is_file():
        return [single]
    return sorted(package.rglob("*.py")) if (package / "__init__.py").is_file() else []


def _content(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError:
        return b""


def imported(source: bytes) -> list[str]:
    """Return the modules that a source imports by their own names."""
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError):
        return []
    names: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.append(node.module)
    return names
