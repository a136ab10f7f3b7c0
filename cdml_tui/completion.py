"""Completion for bash, zsh and fish, made from the table of verbs.

The scripts know verbs and options; names that live in a workspace they ask of the hidden verb
`cdml __complete WORD...`, which answers quickly or not at all.
"""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol, TypeVar

from cdml_tui import location, quick
from cdml_tui.arguments import GLOBAL, flags
from cdml_tui.client import ConsoleError
from cdml_tui.output import clean
from cdml_tui.verbs.session import usage
from cdml_tui.verbs.table import VERBS
from engine import wire

T = TypeVar("T")

HIDDEN = "__complete"
PATIENCE_S = 0.5
SHELLS = ("bash", "zsh", "fish")
# Options that are followed by a value; of a version we know the names.
_VERSIONS = ("--to", "--expect", "--version")
_FILES = ("-w", "--workspace", "--out", "--report", "--data", "--reference", "--current")


class Ask(Protocol):
    """Asks the engine for a path of its control socket."""

    def __call__(self, path: str, kind: type[T]) -> T:
        """Return the answer; ConsoleError where there is none."""


@dataclass(frozen=True, slots=True)
class Slot:
    """One word that a verb takes."""

    kind: str
    optional: bool
    again: bool


def script(shell: str) -> str:
    """Return the completion script of a shell."""
    made = {"bash": _bash, "zsh": _zsh, "fish": _fish}.get(shell)
    if made is None:
        raise usage(f"write cdml completion {' or '.join(SHELLS)}.", "shell")
    return made()


def complete(words: Sequence[str]) -> int:
    """Write the candidates for the last of the words typed after `cdml`; silent where unknown."""
    try:
        found = candidates(words, _asker(words))
    except ConsoleError:
        found = []
    for name in found:
        sys.stdout.write(clean(name) + "\n")
    return 0


def candidates(words: Sequence[str], ask: Ask) -> list[str]:
    """Return what the last word may become: verbs, options, or names of the workspace."""
    *typed, last = words or [""]
    verb, given = _split(typed)
    before = typed[-1] if typed else ""
    found: Iterator[str] | list[str]
    if before in _FILES:
        found = []
    elif verb is None:
        found = [*GLOBAL, "--version", "--help"] if last.startswith("-") else list(VERBS)
    elif before in _VERSIONS:
        found = _names("VERSION", verb, None, ask)
    elif last.startswith("-"):
        found = flags(verb)
    else:
        found = _next(verb, given, ask)
    return [name for name in dict.fromkeys(found) if name.startswith(last)]


def _split(typed: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the verb among the words, and its arguments so far."""
    verb, given, value = None, [], False
    for word in typed:
        if value or word.startswith("-"):
            value = not value and word in (*_FILES, *_VERSIONS)
        elif verb is None:
            verb = word if word in VERBS else None
        else:
            given.append(word)
    return verb, given


def _slots(words: str) -> list[Slot]:
    """Read the words of a verb, like "[MODEL] VERSION", up to its options."""
    found = []
    for part in words.split():
        if part.startswith("-") or part == "|":
            break
        kind = part.strip("[].")
        found.append(Slot(kind, part.startswith("["), part.endswith("...")))
    return found


def _next(verb: str, given: list[str], ask: Ask) -> Iterator[str]:
    """Yield what may stand next; a word that may be left out is offered with the one after it."""
    slots = _slots(VERBS[verb].words)
    model = given[0] if given and slots[:1] == [Slot("MODEL", optional=True, again=False)] else None
    if model is not None and model not in _names("MODEL", verb, None, ask):
        slots, model = slots[1:], None  # the model was left out
    elif given and slots and "|" in slots[0].kind and given[0] not in slots[0].kind.split("|"):
        slots = slots[1:]
    at = len(given)
    if slots and slots[-1].again:
        at = min(at, len(slots) - 1)
    for slot in slots[at:]:
        yield from _names(slot.kind, verb, model, ask)
        if not slot.optional:
            return


def _names(kind: str, verb: str, model: str | None, ask: Ask) -> Iterator[str]:
    """Yield the names of a kind; nothing for files, which the shell itself completes."""
    if "|" in kind:
        yield from kind.split("|")
    elif kind == "MODEL":
        yield from (m.model for m in ask("/status", wire.Status).models)
    elif kind in ("VERSION", "A", "B"):
        shown = [m for m in ask("/state", wire.State).models if model in (None, m.model)]
        yield from (v.version for m in shown for v in m.versions)
    elif kind == "COLUMN":
        shown = [m for m in ask("/state", wire.State).models if model in (None, m.model)]
        yield from (c.column for m in shown for c in m.drift)
    elif kind == "ID" and verb == "alert":
        yield from (str(a.number) for a in ask("/alerts?everything=1", wire.AlertList).alerts)
    elif kind == "ID":
        yield from (job.id for job in ask("/jobs", list[wire.JobRow]))
    elif kind == "N":
        yield from (str(i.number) for i in ask("/incidents", list[wire.IncidentRow]))


def _asker(words: Sequence[str]) -> Ask:
    """Return what asks the engine of the workspace that the words name."""
    pairs = pairwise(words)
    named = next((value for word, value in pairs if word in ("-w", "--workspace")), None)

    def ask(path: str, kind: type[T]) -> T:
        return quick.ask(location.find(named) / "run" / "engine.sock", path, kind, PATIENCE_S)

    return ask


# ---------------------------------------------------------------- the scripts

_BASH = """\
# Completion of cdml for bash: eval "$(cdml completion bash)"
_cdml() {{
  local cur=${{COMP_WORDS[COMP_CWORD]}} verb= word
  for word in "${{COMP_WORDS[@]:1:COMP_CWORD-1}}"; do
    case $word in {verbs}) verb=$word; break ;; esac
  done
  if [[ -z $verb && $cur != -* ]]; then
    COMPREPLY=($(compgen -W "{words}" -- "$cur"))
  elif [[ -n $verb && $cur == -* ]]; then
    local options=
    case $verb in
{options}
    esac
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  else
    local IFS=$'\\n'
    COMPREPLY=($(cdml {hidden} "${{COMP_WORDS[@]:1:COMP_CWORD}}" 2>/dev/null))
  fi
}}
complete -o default -F _cdml cdml
"""

_ZSH = """\
#compdef cdml
# Completion of cdml for zsh: a file _cdml on $fpath, or eval "$(cdml completion zsh)"
_cdml() {{
  local -a verbs found
  verbs=(
{verbs}
  )
  if (( CURRENT == 2 )) && [[ $PREFIX != -* ]]; then
    _describe 'verb' verbs
    return
  fi
  found=("${{(@f)$(cdml {hidden} "${{(@)words[2,CURRENT]}}" 2>/dev/null)}}")
  if [[ -n ${{found[1]}} ]]; then compadd -a found; else _files; fi
}}
if [[ $funcstack[1] == _cdml ]]; then _cdml "$@"; else compdef _cdml cdml; fi
"""

_FISH = """\
# Completion of cdml for fish: cdml completion fish > ~/.config/fish/completions/cdml.fish
function __cdml_names
  cdml {hidden} (commandline -opc)[2..-1] (commandline -ct) 2>/dev/null
end
complete -c cdml -n 'not __fish_use_subcommand' -a '(__cdml_names)'
{verbs}
"""


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "'\\''") + "'"


def _bash() -> str:
    options = "\n".join(f"      {name}) options='{' '.join(flags(name))}' ;;" for name in VERBS)
    return _BASH.format(
        verbs="|".join(VERBS), words=" ".join(VERBS), options=options, hidden=HIDDEN
    )


def _zsh() -> str:
    verbs = [f"    {_quoted(f'{name}:{verb.help}')}" for name, verb in VERBS.items()]
    return _ZSH.format(verbs="\n".join(verbs), hidden=HIDDEN)


def _fish() -> str:
    verbs = [
        f"complete -c cdml -n __fish_use_subcommand -a {name} -d {_quoted(verb.help)}"
        for name, verb in VERBS.items()
    ]
    return _FISH.format(verbs="\n".join(verbs), hidden=HIDDEN)
