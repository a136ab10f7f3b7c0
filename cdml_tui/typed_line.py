"""What the line being typed at the bottom does: a command, a filter, a note, an action. Pure."""

from dataclasses import replace

from cdml_tui import command_line, filtering, palette, turning
from cdml_tui.effects import Effect, Remember, Send, Step
from cdml_tui.prompt import Prompt, completed, edited, put, recalled
from cdml_tui.sheet import Subject
from cdml_tui.state import Asking, Intent, Screen, model_of

# The first is what to go on with, the second the name of an action to be done as by its key.
Entered = tuple[Step, str | None]


def pressed(screen: Screen, prompt: Prompt, key: str, character: str, token: str) -> Entered:
    """Take a key in: it edits the line, completes it, leaves it, or has done what it says."""
    match key:
        case "escape" | "ctrl+c":
            return (replace(screen, bar=None), ()), None
        case "backspace" if not prompt.text:
            return (replace(screen, bar=None), ()), None
        case "enter":
            return _entered(screen, prompt, token)
        case "up" | "ctrl+p" | "down" | "ctrl+n":
            step = 1 if key in ("up", "ctrl+p") else -1
            return _put(screen, _stepped(screen, prompt, step)), None
        case "tab" if prompt.kind == ":":
            words = command_line.completions(screen, prompt.text[: prompt.at])
            return _put(screen, completed(prompt, words)), None
    changed = edited(prompt, key)
    if changed is None:
        changed = put(prompt, character) if len(character) == 1 else prompt
    return _put(screen, changed), None


def pasted(screen: Screen, prompt: Prompt, text: str) -> Screen:
    """Take the first line of a paste in; nothing of it is done before Enter."""
    return _put(screen, put(prompt, text.strip().partition("\n")[0]))[0]


def _stepped(screen: Screen, prompt: Prompt, step: int) -> Prompt:
    if prompt.kind == ":":
        return recalled(prompt, screen.history, step)
    if prompt.kind == "palette":
        last = max(0, len(palette.found(screen.keys, prompt.text)) - 1)
        return replace(prompt, picked=max(0, min(prompt.picked - step, last)))
    return prompt


def _put(screen: Screen, prompt: Prompt) -> Step:
    return replace(screen, bar=prompt), ()


def _entered(screen: Screen, prompt: Prompt, token: str) -> Entered:
    text = prompt.text.strip()
    match prompt.kind:
        case "/":
            return _filtered(screen, prompt), None
        case "note":
            return _noted(screen, prompt, text, token), None
        case "palette":
            rows = palette.found(screen.keys, text)
            if not rows:
                return _put(screen, replace(prompt, said="no action is called that")), None
            return (replace(screen, bar=None), ()), rows[prompt.picked].name
    return _commanded(screen, prompt, text, token)


def _filtered(screen: Screen, prompt: Prompt) -> Step:
    made = filtering.made(screen, prompt.text)
    if isinstance(made, str):
        return _put(screen, replace(prompt, said=made))
    return filtering.applied(replace(screen, bar=None), made), ()


def _noted(screen: Screen, prompt: Prompt, text: str, token: str) -> Step:
    model = model_of(screen)
    if not text:
        return _put(screen, replace(prompt, said="say why, or Esc"))
    if model is None:
        return replace(screen, bar=None, message="the model is gone; nothing was noted"), ()
    words = ("note", model.model, "--reason", text)
    if model.incident is not None:
        words = ("incident", str(model.incident), "--note", text)
    intent = Intent("words", model.model, model.champion, None, token, words=words)
    return replace(screen, bar=Asking(intent, screen.at), outcome=None), (Send(intent),)


def _commanded(screen: Screen, prompt: Prompt, text: str, token: str) -> Entered:
    words = command_line.words_of(text)
    if isinstance(words, str):
        return _put(screen, replace(prompt, said=words)), None
    if not words:
        return (replace(screen, bar=None), ()), None
    known = {k.name for k in screen.keys}
    if command_line.verb_of(screen, words) is None and words[0] in known and len(words) == 1:
        return (replace(screen, bar=None), ()), words[0]
    why = command_line.refusal(screen, words)
    if why:
        return _put(screen, replace(prompt, said=why)), None
    screen = command_line.remembered(replace(screen, bar=None), text)
    kept: tuple[Effect, ...] = (Remember(screen.history),)
    verb = command_line.verb_of(screen, words)
    if verb is not None and command_line.danger_of(verb, words) == "A":
        screen, asked = turning.put(screen, Subject("output", screen.model, id=text))
        return (screen, (*kept, *asked)), None
    return (command_line.changed(screen, words, token), kept), None
