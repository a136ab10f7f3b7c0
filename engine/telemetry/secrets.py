"""The file of secrets: read when one is needed, so that a new one counts at once. Never shown."""

import tomllib
from pathlib import Path
from typing import Any

from engine.errors import InvalidError


def of_target(path: Path, name: str) -> list[str]:
    """Return the URLs of a target; InvalidError says what is wrong without showing any of them."""
    found = _read(path, f'the URL of target "{name}"').get("targets", {}).get(name)
    urls = [found] if isinstance(found, str) else found
    if not urls or not isinstance(urls, list) or not all(isinstance(u, str) and u for u in urls):
        raise _wrong(
            path, f'the URL of target "{name}"', "it is not there",
            f'Write [targets] and {name} = "mailto://..." into it, or one of the other kinds',
        )  # fmt: skip
    return urls


def headers(path: Path) -> dict[str, str]:
    """Return the headers for the collector; none where there is no file."""
    if not path.exists():
        return {}
    found = _read(path, "the headers of telemetry.otlp").get("headers", {})
    if not isinstance(found, dict) or not all(isinstance(v, str) for v in found.values()):
        raise _wrong(path, "the headers of telemetry.otlp", "they are no texts", "Mend it")
    return found


def _read(path: Path, wanted: str) -> dict[str, Any]:
    try:
        if path.stat().st_mode & 0o007:
            raise _wrong(path, wanted, "everybody may read or write it", "chmod 600 it")
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as e:
        raise _wrong(
            path, wanted, f"{e.strerror}", "Make it, for the engine's user alone (chmod 600)"
        ) from e
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        # What the parser says would show the line.
        raise _wrong(path, wanted, "it is no TOML", "Mend it") from None


def _wrong(path: Path, wanted: str, found: str, cure: str) -> InvalidError:
    return InvalidError(f'Reading {wanted} in "{path}": {found}. {cure}.', code="secret_unreadable")
