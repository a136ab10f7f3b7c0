"""A line being typed at the bottom of the screen, as a value. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

LONGEST = 500
# What is typed: a command, a filter, a note on what happened, the name of an action.
Kind = Literal[":", "/", "note", "palette"]


@dataclass(frozen=True, slots=True)
class Prompt:
    """What stands in the line. `at` is the cursor, `back` how far into the history it shows.

    `said` is what was wrong with it or what it could go on with, `picked` the row of a list.
    """

    kind: Kind
    text: str = ""
    at: int = 0
    back: int = 0
    kept: str = ""
    said: str = ""
    picked: int = 0


def put(prompt: Prompt, text: str) -> Prompt:
    """Put printable text in at the cursor."""
    text = "".join(c for c in text if c.isprintable())[: LONGEST - len(prompt.text)]
    whole = prompt.text[: prompt.at] + text + prompt.text[prompt.at :]
    return _fresh(prompt, whole, prompt.at + len(text))


def filled(prompt: Prompt, text: str) -> Prompt:
    """Have another text stand in the line, the cursor behind it."""
    return _fresh(prompt, text, len(text))


def edited(prompt: Prompt, key: str) -> Prompt | None:
    """Return the line after an editing key, None where the key edits nothing."""
    text, at = prompt.text, prompt.at
    match key:
        case "left" | "ctrl+b":
            return replace(prompt, at=max(0, at - 1))
        case "right" | "ctrl+f":
            return replace(prompt, at=min(len(text), at + 1))
        case "home" | "ctrl+a":
            return replace(prompt, at=0)
        case "end" | "ctrl+e":
            return replace(prompt, at=len(text))
        case "backspace" | "ctrl+h":
            return _fresh(prompt, text[: max(0, at - 1)] + text[at:], max(0, at - 1))
        case "delete" | "ctrl+d":
            return _fresh(prompt, text[:at] + text[at + 1 :], at)
        case "ctrl+w":
            start = len(text[:at].rstrip().rpartition(" ")[0])
            start = start + 1 if start else 0
            return _fresh(prompt, text[:start] + text[at:], start)
        case "ctrl+u":
            return _fresh(prompt, text[at:], 0)
        case "ctrl+k":
            return _fresh(prompt, text[:at], at)
    return None


def recalled(prompt: Prompt, history: Sequence[str], step: int) -> Prompt:
    """Show an older (1) or newer (-1) line; what was being typed comes back at the end."""
    back = max(0, min(len(history), prompt.back + step))
    if back == prompt.back:
        return prompt
    kept = prompt.text if prompt.back == 0 else prompt.kept
    text = history[-back] if back else kept
    return replace(filled(prompt, text), back=back, kept=kept)


def completed(prompt: Prompt, candidates: Sequence[str]) -> Prompt:
    """Complete the word before the cursor as far as candidates agree; say them where several do."""
    word = prompt.text[: prompt.at].rpartition(" ")[2]
    fits = sorted({c for c in candidates if c.startswith(word)})
    if not fits:
        return replace(prompt, said="nothing to complete here")
    shared = _shared(fits)
    more = shared[len(word) :] + (" " if len(fits) == 1 else "")
    said = "" if len(fits) == 1 else "  ".join(fits)
    return replace(put(prompt, more), said=said) if more else replace(prompt, said=said)


def _shared(words: Sequence[str]) -> str:
    first, last = min(words), max(words)
    n = next((i for i, pair in enumerate(zip(first, last, strict=False)) if pair[0] != pair[1]), 0)
    return first if first == last or last.startswith(first) else first[:n]


def _fresh(prompt: Prompt, text: str, at: int) -> Prompt:
    return replace(prompt, text=text, at=at, back=0, said="", picked=0)
