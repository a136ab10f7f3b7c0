"""~/.config/cdml/console.toml: an operator's own keys, colours and signs. Reads, never writes."""

import os
import tomllib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast, get_args

from cdml_tui.keymap import Keys, mapped
from cdml_tui.state import Glyphs, Theme

_KNOWN = ("keys", "theme", "glyphs")


@dataclass(frozen=True, slots=True)
class Preferences:
    """What an operator likes, as far as it can be had; `problems` says what cannot."""

    path: Path
    keys: Keys
    theme: Theme | None = None
    glyphs: Glyphs | None = None
    problems: list[str] = field(default_factory=list)

    @property
    def warning(self) -> str:
        """Say in one line what is wrong with the file; empty where nothing is."""
        return f"{self.path}: {'; '.join(self.problems)}" if self.problems else ""


def path() -> Path:
    """Return where the file lies, there or not."""
    base = os.environ.get("XDG_CONFIG_HOME") or ""
    home = Path(base) if Path(base).is_absolute() else Path.home() / ".config"
    return home / "cdml" / "console.toml"


def read(file: Path | None = None) -> Preferences:
    """Read the file; what is wrong in it is left as usual, and said."""
    file = path() if file is None else file
    found, problems = _content(file)
    wanted = found.get("keys", {})
    if not isinstance(wanted, dict):
        wanted, problems = {}, [*problems, "keys: a table [keys] is expected"]
    keys, wrong = mapped(wanted)
    theme, glyphs = _one_of(found, "theme", Theme), _one_of(found, "glyphs", Glyphs)
    for name, value, kind in (("theme", theme, Theme), ("glyphs", glyphs, Glyphs)):
        if name in found and value is None:
            wrong.append(f"{name}: one of {', '.join(get_args(kind))} is expected")
    wrong += [f'there is no setting "{name}"' for name in found if name not in _KNOWN]
    return Preferences(file, keys, cast(Theme, theme), cast(Glyphs, glyphs), problems + wrong)


def _one_of(found: dict[str, Any], name: str, kind: Any) -> object:
    value = found.get(name)
    return value if value in get_args(kind) else None


def _content(file: Path) -> tuple[dict[str, Any], list[str]]:
    try:
        return tomllib.loads(file.read_text(encoding="utf-8")), []
    except FileNotFoundError:
        return {}, []
    except (OSError, UnicodeDecodeError) as e:
        return {}, [f"it cannot be read ({e}); the usual keys hold"]
    except tomllib.TOMLDecodeError as e:
        return {}, [f"it is no TOML ({e}); the usual keys hold"]
