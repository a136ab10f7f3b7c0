"""`cdml init`: from a table of the user's own to a workspace that `cdml up` can run."""

import argparse
import os
import re
import shlex
import shutil
import sys
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import msgspec

from engine.draft import Draft, Wishes, draft
from engine.draft_text import toml_text
from engine.draft_time import Ask
from engine.errors import InvalidError, RefusedError, UnavailableError
from engine.exits import Arguments, guarded
from engine.settings import NAME, Task, load
from engine.store.files import is_parquet
from engine.store.tables import Tables
from engine.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Incoming:
    """One data file and where its copy goes."""

    source: Path
    copy: Path


def main(argv: list[str]) -> int:
    """Run `cdml init` and return its exit code."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    given = _parser().parse_args(argv)
    workspace = Workspace(Path(given.dir))
    _refuse_existing(workspace)
    paths = [Path(p) for p in given.data]
    wishes = Wishes(
        target=given.target,
        time=given.time,
        label_time=given.label_time,
        id=given.id,
        task=given.task,
        metric=given.metric,
        exclude=tuple(dict.fromkeys(given.exclude)),
    )
    with Tables(paths) as tables:
        made = draft(tables, wishes, _asking(by_default=given.yes or given.json))
    model = _model_name(given.name, given.target)
    name = re.sub(r"[^A-Za-z0-9_.-]+", "-", workspace.root.name)[:64].strip("-") or "cdml"
    sys.stderr.write("".join(f"  {line}\n" for line in ("assumed:", *made.assumed)))
    incoming = _incoming(paths, workspace.incoming(model))
    workspace.create([model])
    _settle(workspace, toml_text(name, model, made), incoming)
    sys.stdout.write(_answer(given.dir, workspace, model, made, incoming, as_json=given.json))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = Arguments(prog="cdml init", description="Make a workspace from a table of your own.")
    parser.add_argument("dir", metavar="DIR", help="the folder of the new workspace")
    parser.add_argument("--data", nargs="+", required=True, metavar="FILE", action="extend")
    parser.add_argument("--target", required=True, metavar="C", help="the column to predict")
    parser.add_argument("--time", metavar="C", help="when the event is")
    parser.add_argument("--label-time", metavar="C", help="when its outcome became known")
    parser.add_argument("--id", metavar="C", help="names a row")
    parser.add_argument("--name", metavar="N", help="the model's name; else the target's")
    parser.add_argument("--task", choices=get_args(Task))
    parser.add_argument("--metric", metavar="M")
    parser.add_argument("--exclude", nargs="+", action="extend", default=[], metavar="C")
    parser.add_argument("--yes", action="store_true", help="ask nothing, take the guesses")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("-w", "--workspace", help=argparse.SUPPRESS)
    return parser


def _refuse_existing(workspace: Workspace) -> None:
    if workspace.config.exists():
        raise RefusedError(
            f'Making a workspace in "{workspace.root}": there is a cdml.toml already. '
            "It was left as it is. Edit it, or choose another folder.",
            code="workspace_exists",
            field="dir",
        )
    if workspace.root.exists() and not workspace.root.is_dir():
        raise InvalidError(
            f'Making a workspace in "{workspace.root}": it is a file. Choose another folder.',
            code="bad_folder",
            field="dir",
        )


def _model_name(name: str | None, target: str) -> str:
    if name is None:
        plain = unicodedata.normalize("NFKD", target).encode("ascii", "ignore").decode()
        return re.sub(r"[^A-Za-z0-9_-]+", "_", plain).strip("_-")[:64] or "model"
    if not NAME.fullmatch(name):
        raise InvalidError(
            f'Naming the model "{name[:64]}": a name has letters, digits, _ and -, 64 at most. '
            "Choose another with --name.",
            code="bad_name",
            field="name",
        )
    return name


def _asking(*, by_default: bool) -> Ask:
    """Return how a question is put: to the person at the terminal, or not at all."""
    if by_default or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return lambda _question, default: default

    def ask(question: str, default: str) -> str:
        sys.stderr.write(f"{question} [{default}] ")
        sys.stderr.flush()
        return sys.stdin.readline().strip() or default

    return ask


def _incoming(paths: Sequence[Path], folder: Path) -> list[Incoming]:
    pairs = [Incoming(path, folder / _landing_name(path)) for path in paths]
    names = [pair.copy.name for pair in pairs]
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise InvalidError(
            f'Copying the data to "{folder}": two files are called "{twice}". Rename one of them.',
            code="same_name",
            field="data",
        )
    return pairs


def _landing_name(path: Path) -> str:
    """Return a name that the drop folder takes: no dot first, no wildcard, a known ending."""
    name = re.sub(r"[*?\[\]\x00-\x1f]", "_", path.name.lstrip(".")) or "data"
    if is_parquet(path):
        return name if name.lower().endswith(".parquet") else f"{name}.parquet"
    known = name.lower().endswith((".csv", ".tsv", ".csv.gz", ".csv.zst"))
    return name if known else f"{name}.csv"


def _settle(workspace: Workspace, text: str, incoming: Sequence[Incoming]) -> None:
    """Copy the data, then put cdml.toml in place last, so that a failed start can be repeated."""
    config = workspace.config.with_name(".cdml.toml.new")
    try:
        config.write_text(text, encoding="utf-8")
        load(config)
        for pair in incoming:
            part = pair.copy.with_name(f".{pair.copy.name}.part")
            shutil.copyfile(pair.source, part)
            part.replace(pair.copy)
        with workspace.config.open("x", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
    except FileExistsError:
        raise RefusedError(
            f'Making a workspace in "{workspace.root}": a cdml.toml has appeared meanwhile. '
            "It was left as it is.",
            code="workspace_exists",
        ) from None
    except OSError as e:
        for pair in incoming:
            pair.copy.with_name(f".{pair.copy.name}.part").unlink(missing_ok=True)
        raise UnavailableError(
            f'Making a workspace in "{workspace.root}": {e.strerror} ("{e.filename}"). '
            "Free space or give this user the right to write there, then run it again.",
            code="cannot_write",
        ) from e
    finally:
        config.unlink(missing_ok=True)


def _answer(
    folder: str,
    workspace: Workspace,
    model: str,
    made: Draft,
    incoming: Sequence[Incoming],
    *,
    as_json: bool,
) -> str:
    named = shlex.quote(folder)
    after = [f"cdml -w {named} up", f"cdml -w {named}"]
    if as_json:
        fields = {
            "config": str(workspace.config),
            "model": model,
            "task": made.task,
            "target": made.target,
            "time": made.time,
            "label_time": made.label_time,
            "id": made.id,
            "metric": made.metric,
            "exclude": made.exclude,
            "features": made.features,
            "rows": made.rows,
            "incoming": [str(pair.copy) for pair in incoming],
            "assumed": made.assumed,
            "next": after,
        }
        return msgspec.json.encode(fields).decode() + "\n"
    return (
        f"{workspace.config} is written: model {model}, {len(made.features)} features, "
        f"{made.rows} rows in {workspace.incoming(model)}\n"
        f"read it, then start the engine:  {after[0]}\n"
        f"and open the console:            {after[1]}\n"
    )
