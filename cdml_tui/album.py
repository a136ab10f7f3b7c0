"""Where the console keeps its pictures: a folder of the user's own, a new name each time."""

import os
import re
from pathlib import Path

_UNSAFE = re.compile(r"[^A-Za-z0-9._-]+")
# The picture stands alone: no font is fetched from anywhere.
_FETCHED = re.compile(r'\s*url\("https?://[^"]*"\) format\("[^"]*"\),?')
_LOCAL = re.compile(r'(src: local\("[^"]*"\)),')


def alone(svg: str) -> str:
    """Return a picture that names nothing outside itself."""
    return _LOCAL.sub(r"\1;", _FETCHED.sub("", svg))


def keep(svg: str, *about: str) -> Path:
    """Write a picture under a name made of what it is about; return where it is."""
    home = os.environ.get("XDG_STATE_HOME") or str(Path.home() / ".local" / "state")
    folder = Path(home) / "cdml"
    folder.mkdir(parents=True, exist_ok=True)
    stem = "-".join(_UNSAFE.sub("_", word).strip("._")[:40] for word in about if word)
    for more in ("", *(f"-{n}" for n in range(2, 1000))):
        path = folder / f"{stem}{more}.svg"
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(alone(svg))
        except FileExistsError:
            continue
        return path
    raise FileExistsError(17, "a thousand pictures of this moment exist", str(folder))
