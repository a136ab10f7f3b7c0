"""The verbs that have the engine work: train, monitor, ingest, labels."""

import time
from collections.abc import Callable
from pathlib import Path

from cdml_tui.client import Client, ConsoleError, EngineLost
from cdml_tui.output import json_line, line, talk
from cdml_tui.request_key import new_key
from cdml_tui.verbs.changing import certainly
from cdml_tui.verbs.looking import job_text
from cdml_tui.verbs.session import Session, usage
from engine.wire import JobRow, RunRequest, TrainPlan, UploadAnswer

_POLL_S = 0.3
_GIVE_UP_S = 30.0
_REFUSED = ("fail", "inconclusive")


def train(session: Session) -> int:
    """Train new candidates; with --wait until they are judged. With --plan only say on what."""
    if session.args.plan:
        return _plan(session, session.client.train_plan(session.model()))
    return _run(session, "train", session.model())


def _plan(session: Session, plan: TrainPlan) -> int:
    if session.json:
        json_line(plan)
    else:
        span = f", {' to '.join(plan.span)}" if plan.span else ""
        line(f"{plan.model}: {plan.recipe} on {plan.rows} mature labelled rows{span}")
        windows = ", ".join(f"{name}: {n} rows" for name, n in plan.windows.items())
        line(f"windows: {windows or 'none'}; {plan.seeds} seeds each, from seed {plan.seed}")
        for batch, n in plan.batches.items():
            line(f"batch {batch[:12]}: {n} rows delivered")
        if plan.transform:
            line(f"transformation: {plan.transform}")
        for note in plan.notes:
            line(note)
        line(f"would be refused: {plan.refused}" if plan.refused else "nothing stands in the way")
    return 4 if plan.refused else 0


def pull(session: Session) -> int:
    """Ask the model's source for rows now."""
    return _run(session, "pull", session.model())


def monitor(session: Session) -> int:
    """Watch the champion now, or measure all earlier looks again."""
    rebuild = session.args.rebuild
    return _run(session, "monitor", session.model(), rebuild=rebuild)


def validate(session: Session) -> int:
    """Have a version judged again, on the rows that are mature now."""
    words = session.args.words
    if not 1 <= len(words) <= 2:
        raise usage("write cdml validate [MODEL] VERSION.", "version")
    model, named = session.model_and(words, lambda words: len(words) == 1)
    if not named:
        raise usage(f"which version of {model}? Write cdml validate {model} VERSION.", "version")
    return _run(session, "validate", model, named[0])


def _run(
    session: Session,
    job: str,
    model: str,
    version: str | None = None,
    *,
    rebuild: bool = False,
) -> int:
    request = RunRequest(new_key(), session.args.reason, version, rebuild)
    row = certainly(lambda: session.client.start(job, model, request))
    if session.args.wait:
        row = _wait(session.client, row)
    if session.json:
        json_line(row)
    elif session.args.wait:
        job_text(row)
    else:
        line(f"{row.job} of {row.model} is {row.state} as {row.id}; look with cdml job {row.id}")
    return _verdict(row) if session.args.wait else 0


def _wait(client: Client, row: JobRow) -> JobRow:
    told, lost_since = "", None
    while row.ended_at is None:
        time.sleep(_POLL_S)
        try:
            row, lost_since = client.job(row.id), None
        except EngineLost:
            lost_since = time.monotonic() if lost_since is None else lost_since
            if time.monotonic() - lost_since > _GIVE_UP_S:
                raise
            continue
        now = f"{row.job} {row.state}{_far(row)} {row.note}".rstrip()
        if now != told:
            talk(now)
            told = now
    return row


def _far(row: JobRow) -> str:
    """Say how far a run is and how long it should still take, in steps that are worth a line."""
    share = f" {row.progress:.0%}" if row.progress is not None else ""
    left = f", {-(-row.left_s // 10) * 10:.0f} s left" if row.left_s else ""
    return share + left


def _verdict(row: JobRow) -> int:
    """Return 0 for a run that passed, 4 for one whose version was refused, 1 for a failed one."""
    if row.verdict in _REFUSED or row.state == "refused":
        return 4
    return 0 if row.state == "done" and row.error is None else 1


def cancel(session: Session) -> int:
    """End a run that waits or works; what it made so far is dropped."""
    request = RunRequest(new_key(), session.args.reason)
    row = certainly(lambda: session.client.cancel(session.args.id, request))
    if session.json:
        json_line(row)
    else:
        done = "cancelled" if row.ended_at else "being cancelled"
        line(f"{row.job} of {row.model}, {row.id}, is {done}")
    return 0


def ingest(session: Session) -> int:
    """Hand over files of rows."""
    return _upload(session, session.client.ingest)


def labels(session: Session) -> int:
    """Hand over files of labels."""
    return _upload(session, session.client.labels)


def _upload(session: Session, send: Callable[[str, Path], UploadAnswer]) -> int:
    def files(words: list[str]) -> bool:
        return bool(words) and all(Path(word).exists() for word in words)

    words = session.args.words
    missing = next((word for word in words[1:] if not Path(word).exists()), None)
    if missing is not None:
        raise ConsoleError(
            "file_not_readable",
            f'Sending the file "{missing}": there is no such file. Nothing was sent.',
            "file",
            422,
        )
    model, paths = session.model_and(words, files)
    if not paths:
        raise usage("no FILE is named.", "file")
    answers = [send(model, Path(path)) for path in paths]
    if session.json:
        json_line(answers)
    for answer in answers if not session.json else []:
        line(f"{answer.file}: {answer.verdict.replace('_', ' ')}, {answer.rows} rows")
        for reason in answer.reasons:
            line(f"  {reason}")
    return 4 if any(answer.verdict == "quarantined" for answer in answers) else 0
