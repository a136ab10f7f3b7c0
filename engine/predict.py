"""`cdml predict`: the rows of a file sent to the prediction port, and its answers written out.

It asks like any other client, so every answer is logged and counted like any other.
"""

import csv
import os
import sys
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec

from engine.clock import iso
from engine.errors import CdmlError, InvalidError, UnknownError
from engine.exits import Arguments, guarded
from engine.port import Port
from engine.settings import ModelSettings, Settings, load
from engine.stats.outcomes import class_name
from engine.store.connection import zoned
from engine.store.rowfile import RowFile, opened
from engine.wire import MAX_ROWS, PredictAnswer, PredictRow
from engine.workspace import Workspace

CLIENT = "cdml-predict"
TOKEN = "CDML_TOKEN"  # noqa: S105 - the name of a variable
TYPES = {"FP64": "DOUBLE", "BOOL": "BOOLEAN", "BYTES": "VARCHAR"}
ANSWERS = {
    "binary": ("score", "decision"),
    "multiclass": ("probabilities", "decision"),
    "regression": ("value",),
}
ABOUT = f"""Send every row of a CSV, Parquet or JSON lines file to the prediction service and write
its answers: CSV, or with --json what the service answers, up to {MAX_ROWS} rows a line. Every
answer is logged and counted like any other client's. The file must have the model's features; the
columns "id" and "time" of cdml.toml are sent along where it has them, all others stay here. Where
the service asks for a token, set {TOKEN}."""


def main(argv: list[str]) -> int:
    """Run the verb and return its exit code."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    parser = Arguments(prog="cdml predict", description=ABOUT, allow_abbrev=False)
    parser.add_argument("words", nargs="+", metavar="[MODEL] FILE")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("--json", action="store_true", help="what the service answers, as it is")
    given = parser.parse_intermixed_args(argv)
    settings = load(Workspace(Path(given.workspace)).require().config)
    model, path = _asked(settings, given.words)
    about = settings.models[model]
    port = Port(settings.serving.listen, CLIENT, os.environ.get(TOKEN, ""))
    write = _as_json if given.json else _Table(ANSWERS[about.task]).add
    by: Counter[str] = Counter()
    unlogged = 0
    with closing(port), opened(path, settings.workspace.timezone) as file:
        wanted, ids = _columns(model, about, port.inputs(model), file)
        try:
            for rows, answer in _answers(port, model, file, _rows(file, wanted, about, ids)):
                write(rows, answer)
                by.update(p.version for p in answer.predictions)
                unlogged += 0 if answer.logged else len(rows)
        finally:
            _tell(by, unlogged)
    return 0


def _asked(settings: Settings, words: list[str]) -> tuple[str, Path]:
    """Return the model and the file that are meant."""
    known = list(settings.models)
    listed = ", ".join(known) or "none"
    *named, file = words
    if len(named) > 1 or (not named and len(known) != 1):
        raise InvalidError(
            f"Reading the command line of cdml predict: {len(words)} words, and cdml.toml has "
            f"{len(known)} models: {listed}. Write cdml predict MODEL FILE.",
            code="usage",
            field="model",
        )
    model = named[0] if named else known[0]
    if model not in known:
        raise UnknownError(
            f'Looking for model "{model[:80]}": there is none. Known: {listed}.',
            code="unknown_model",
            field="model",
        )
    return model, Path(file)


def _columns(
    model: str, about: ModelSettings, inputs: Mapping[str, str], file: RowFile
) -> tuple[dict[str, str], list[str]]:
    """Return the columns to send with their types, and the one of ids where there is one."""
    features = {name: TYPES[kind] for name, kind in inputs.items()}
    missing = [name for name in features if name not in file.columns]
    if missing:
        lacking = ", ".join(f'"{name}"' for name in missing)
        raise InvalidError(
            f'Predicting "{file.path.name}" with {model}: it has no column {lacking}. Nothing was '
            f"sent. Add what is missing; the model takes: {', '.join(features)}.",
            code="missing_column",
            field=missing[0],
        )
    times = {about.time: "TIMESTAMP"} if about.time in file.columns else {}
    return features | times, [about.id] if about.id in file.columns else []


def _rows(
    file: RowFile, wanted: Mapping[str, str], about: ModelSettings, ids: list[str]
) -> Iterator[list[PredictRow]]:
    """Yield the file's rows as they are sent."""
    names = [name for name in wanted if name != about.time]
    timed = about.time in wanted
    for chunk in file.rows(wanted, ids, MAX_ROWS):
        made = []
        for values in chunk:
            features = dict(zip(names, values, strict=False))
            ts = zoned(values[len(names)]) if timed else None
            key = values[-1] if ids else None
            made.append(
                PredictRow(
                    features,
                    None if key is None else class_name(key),
                    None if ts is None else iso(ts),
                )
            )
        yield made


def _answers(
    port: Port, model: str, file: RowFile, chunks: Iterator[list[PredictRow]]
) -> Iterator[tuple[list[PredictRow], PredictAnswer]]:
    """Yield rows and what was answered to them, in the file's order, up to one that is refused.

    A refused chunk is halved until the row that is to blame stands alone.
    """
    number = 1
    for chunk in chunks:
        waiting = [chunk]
        while waiting:
            rows = waiting.pop()
            try:
                answer = port.predict(model, rows)
            except UnknownError:
                raise
            except InvalidError as e:
                if len(rows) == 1:
                    raise _refused(file, number, rows[0], e) from None
                half = len(rows) // 2
                waiting += [rows[half:], rows[:half]]
                continue
            yield rows, answer
            number += len(rows)


def _refused(file: RowFile, number: int, row: PredictRow, e: InvalidError) -> CdmlError:
    named = f' (id "{row.id[:80]}")' if row.id else ""
    return CdmlError(
        f'Predicting {file.place(number)} of "{file.path.name}"{named}: the service refused it. '
        f"{e.message} Mend that row; it and the rows after it were not answered.",
        code=e.code,
        field=e.field,
    )


def _as_json(rows: list[PredictRow], answer: PredictAnswer) -> None:
    del rows
    sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    sys.stdout.flush()


class _Table:
    """The answers as CSV; on a terminal no control character is obeyed."""

    def __init__(self, answers: Sequence[str]) -> None:
        self._answers = answers
        self._is_terminal = sys.stdout.isatty()
        self._csv = csv.writer(sys.stdout, lineterminator="\n")
        self._headed = False

    def add(self, rows: list[PredictRow], answer: PredictAnswer) -> None:
        """Write some answers, and the heading before the first."""
        if not self._headed:
            ours = ("version", "prediction_id", "flags")
            self._csv.writerow(["id", "ts", *self._answers, *ours])
            self._headed = True
        for row, found in zip(rows, answer.predictions, strict=True):
            flags = [*(["safe_mode"] if found.safe_mode else []), *found.flags]
            cells = [found.id, row.ts, *(getattr(found, name) for name in self._answers)]
            cells += [found.version, found.prediction_id, ";".join(flags)]
            self._csv.writerow([self._cell(value) for value in cells])
        sys.stdout.flush()

    def _cell(self, value: Any) -> str:
        if value is None:
            return ""
        text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
        if not self._is_terminal or text.isprintable():
            return text
        return "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in text)


def _tell(by: Counter[str], unlogged: int) -> None:
    """Say beside the answers how many there are, whatever ended them."""
    counts = ", ".join(f"{version} {n}" for version, n in by.items())
    lost = f"; {unlogged} could not be logged, look at the space in spool/" if unlogged else ""
    if by:
        sys.stderr.write(f"cdml: rows answered by {counts}{lost}\n")
