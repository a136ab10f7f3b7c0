"""What a single value of cdml.toml must fulfil. The key is named here; file and line come later."""

import re
from collections.abc import Callable, Collection
from datetime import timedelta
from typing import NoReturn, TypeVar
from zoneinfo import ZoneInfo, available_timezones

from msgspec import Meta

from engine.errors import InvalidError
from engine.quantities import duration
from engine.settings_file import nearest

T = TypeVar("T")
RECIPES = ("hist_gradient_boosting", "random_forest", "linear", "baseline")
OWN_RECIPE = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


def says(text: str) -> Meta:
    """Carry the one line that `cdml check --keys` prints for a key."""
    return Meta(description=text)


def wrong(key: str, found: str) -> NoReturn:
    """Raise InvalidError for a key, saying what was found and what to write."""
    raise InvalidError(found, code="bad_settings", field=key)


def read(key: str, reader: Callable[[str], T], text: str) -> T:
    """Return what a reader makes of a value; its error names the key."""
    try:
        return reader(text)
    except InvalidError as e:
        raise InvalidError(e.message, code=e.code, field=key) from e


def positive(key: str, text: str) -> None:
    """Raise InvalidError unless the value is a duration above zero."""
    if not read(key, duration, text):
        wrong(key, f'found "{text}"; it must be longer than nothing.')


def between(key: str, value: float, low: float, high: float) -> None:
    """Raise InvalidError unless the value lies in the range, ends included."""
    if not low <= value <= high:
        wrong(key, f"found {value}; it must lie between {low} and {high}.")


def recipe(key: str, name: str, named: Collection[str] = ()) -> None:
    """Raise InvalidError unless this is a built-in recipe, one of these names, or the user's."""
    if name not in RECIPES and name not in named and not OWN_RECIPE.fullmatch(name):
        hint = nearest(name, [*RECIPES, *named])
        wrong(key, f'"{name[:60]}" is no recipe and no "module:function".{hint}')


def budget(text: str) -> tuple[int | None, float | None]:
    """Return the fits or the seconds that a search may take; InvalidError for another text."""
    number, _, word = text.partition(" ")
    if word == "fits" and number.isdecimal() and int(number):
        return int(number), None
    return None, duration(text) / timedelta(seconds=1)


def check_timezone(name: str) -> None:
    """Raise InvalidError unless this machine knows the time zone."""
    if name == "UTC":
        return  # known even where the machine has no time zone database
    try:
        ZoneInfo(name)
    except (KeyError, OSError, ValueError):
        pass
    else:
        return
    zones = {zone.lower(): zone for zone in available_timezones()}
    if not zones:
        wrong("timezone", f'"{name[:40]}" cannot be looked up: no tzdata here. Use "UTC".')
    hint = nearest(name, list(zones))
    hint = next((hint.replace(z, zones[z]) for z in zones if f'"{z}"' in hint), "")
    wrong("timezone", f'"{name[:40]}" is no time zone.{hint or " Write one like Europe/Paris."}')
