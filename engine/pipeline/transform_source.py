"""A model's transformation as it stands beside cdml.toml: its text, its digest, its last change."""

import shutil
from pathlib import Path

from engine.errors import InvalidError
from engine.pipeline import recipe_source
from engine.settings_transform import TransformSettings
from engine.transform.projection import bad
from engine.transform.sealed import Source, source


def read(root: Path, settings: TransformSettings | None) -> Source | None:
    """Return the transformation that a model's settings name; InvalidError where none is there."""
    if settings is None:
        return None
    path = _file(root, settings)
    name = settings.sql or settings.python or ""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as e:
        why = "it is not UTF-8" if isinstance(e, UnicodeDecodeError) else (e.strerror or str(e))
        raise bad(name, f'"{path}" cannot be read, {why}. Put it there, or mend the path') from e
    if settings.sql is not None:
        return source("sql", name, text)
    for module in recipe_source.imported(text.encode()):
        if recipe_source.files(root, module):
            raise bad(
                name,
                f'its file imports "{module}", which lies beside cdml.toml and is not sealed with '
                "it: an edit would change released versions. Move what it needs into its own file",
            )
    return source("python", name, text)


def digest(root: Path, settings: TransformSettings | None) -> str:
    """Return the name and digest of a transformation, as far as it can be read; empty for none."""
    if settings is None:
        return ""
    name = settings.sql or settings.python or ""
    try:
        found = read(root, settings)
    except InvalidError:
        return name  # what is wrong with it, training says
    return f"{name} {found.digest}" if found is not None else name


def newest_change(root: Path, settings: TransformSettings | None) -> float:
    """Return when its file was last written, in seconds of the file system's clock."""
    if settings is None:
        return 0.0
    try:
        return _file(root, settings).stat().st_mtime
    except OSError:
        return 0.0


def copied(root: Path, to: Path, settings: TransformSettings | None) -> None:
    """Copy its file to the same place below another folder; one that is not there, training names.

    A replay has a scratch workspace of its own.
    """
    if settings is None or not _file(root, settings).is_file():
        return
    path = _file(root, settings)
    into = to / path.relative_to(root)
    into.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, into)


def _file(root: Path, settings: TransformSettings) -> Path:
    if settings.sql is not None:
        return root / settings.sql
    module = (settings.python or "").partition(":")[0].replace(".", "/")
    package = root / module / "__init__.py"
    return package if package.is_file() else root / f"{module}.py"
