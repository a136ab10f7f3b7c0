"""The table of the verbs of `cdml`: words, one-line help, options, and what carries each out."""

from collections.abc import Callable
from dataclasses import dataclass

from cdml_tui.actions import Danger
from cdml_tui.verbs import (
    accepting,
    alerting,
    bringing,
    changing,
    drifting,
    expecting,
    incident,
    judging,
    keeping,
    keys,
    locking,
    looking,
    noting,
    report,
    running,
    telling,
    tracing,
    watching,
)
from cdml_tui.verbs.session import Session

Run = Callable[[Session], int]


@dataclass(frozen=True, slots=True)
class Verb:
    """One verb. `run` is None where `python -m engine` carries it out, engine running or not.

    `danger` is its class where it changes something: with `changes_with` only beside one of these
    words, with `looks_with` not beside these. `elsewhere` says why only a shell runs it.
    """

    words: str
    help: str
    run: Run | None = None
    options: tuple[str, ...] = ()
    danger: Danger = Danger.LOOK
    changes_with: tuple[str, ...] = ()
    looks_with: tuple[str, ...] = ()
    elsewhere: str = ""


VERBS: dict[str, Verb] = {
    "init": Verb(
        "DIR --data FILE... --target C",
        "make a workspace from a table of your own",
        elsewhere="makes another workspace; run it in a shell",
    ),
    "check": Verb("[--keys]", "check cdml.toml and say what it will do"),
    "demo": Verb(
        "[--headless]",
        "replay real flights through a workspace of its own",
        elsewhere="makes a workspace of its own; run it in a shell",
    ),
    "backtest": Verb(
        "[MODEL] [--policy P]...",
        "what other policies would have done with a model's history",
        elsewhere="takes minutes; run it in a shell",
    ),
    "up": Verb(
        "[--foreground]", "start the engine and the prediction service", danger=Danger.SURPRISING
    ),
    "down": Verb("", "stop them", changing.down, danger=Danger.FINAL),
    "watch": Verb(
        "",
        "the console; or a line for every change, or a summary for cron (exit 6: something open)",
        watching.watch,
        ("plain", "once", "svg", "page", "size"),
        elsewhere="is the console itself; run it in a shell",
    ),
    "motd": Verb("", "what is open, in a line for the login banner", watching.motd),
    "status": Verb("", "engine, serving and models in a few lines", looking.status),
    "versions": Verb("[MODEL]", "the versions of a model, now or then", looking.versions, ("at",)),
    "show": Verb("[MODEL] VERSION", "one version: lineage and gate report", looking.show),
    "train": Verb(
        "[MODEL]",
        "train candidates now",
        running.train,
        ("wait", "plan", "reason"),
        danger=Danger.SURPRISING,
        looks_with=("--plan",),
    ),
    "validate": Verb(
        "[MODEL] VERSION",
        "judge a version again on today's mature rows",
        running.validate,
        ("wait", "reason"),
        danger=Danger.SURPRISING,
    ),
    "compare": Verb("[MODEL] A B", "two versions on the same rows", judging.compare),
    "monitor": Verb(
        "[MODEL]",
        "watch the champion now",
        running.monitor,
        ("wait", "rebuild", "reason"),
        danger=Danger.SURPRISING,
    ),
    "jobs": Verb("", "the runs, newest first", looking.jobs, ("limit",)),
    "job": Verb("ID", "one run", looking.job, ("log",)),
    "cancel": Verb(
        "ID", "end a run that waits or works", running.cancel, ("reason",), danger=Danger.SURPRISING
    ),
    "promote": Verb(
        "[MODEL] [VERSION]",
        "make a version the champion",
        changing.promote,
        ("expect", "reason", "no-way-back", "override", "override-freeze"),
        danger=Danger.REVERSIBLE,
    ),
    "rollback": Verb(
        "[MODEL]",
        "back to the last known good version, and hold it",
        changing.rollback,
        ("to", "before", "expect", "reason", "attack", "offline", "override"),
        danger=Danger.REVERSIBLE,
    ),
    "canary": Verb(
        "[MODEL] VERSION",
        "have a version answer a share, or the next share of the policy",
        bringing.canary,
        ("share", "expect", "reason", "override-freeze"),
        danger=Danger.SURPRISING,
    ),
    "abort": Verb(
        "[MODEL]",
        "stop canary and shadow; the champion stays (rollback takes that back)",
        bringing.abort,
        ("expect", "reason"),
        danger=Danger.REVERSIBLE,
    ),
    "roll-through": Verb(
        "[MODEL]",
        "promote the canary now, because the champion is sick; needs --reason",
        bringing.roll_through,
        ("expect", "reason", "override-freeze"),
        danger=Danger.OVERRIDING,
    ),
    "approve": Verb(
        "[MODEL] VERSION",
        "say yes to the step that a version waits for",
        bringing.approve,
        ("expect", "reason"),
        danger=Danger.SURPRISING,
    ),
    "reject": Verb(
        "[MODEL] VERSION",
        "say no to a version that waits; needs --reason",
        bringing.reject,
        ("expect", "reason"),
        danger=Danger.SURPRISING,
    ),
    "rollout": Verb("[MODEL]", "the rollout's evidence, and what follows", bringing.rollout),
    "undo": Verb(
        "[MODEL]",
        "take back the last promotion or rollback, within 60 s",
        changing.undo,
        ("expect", "reason", "override-freeze"),
        danger=Danger.REVERSIBLE,
    ),
    "hold": Verb(
        "[MODEL]",
        "no automatic change of champion",
        locking.hold,
        ("reason",),
        danger=Danger.SURPRISING,
    ),
    "resume": Verb("[MODEL]", "lift a hold", locking.resume, ("reason",), danger=Danger.SURPRISING),
    "freeze": Verb(
        "[MODEL]",
        "no automatic change, of a model or of all",
        locking.freeze,
        ("reason",),
        danger=Danger.SURPRISING,
    ),
    "thaw": Verb("[MODEL]", "lift a freeze", locking.thaw, ("reason",), danger=Danger.SURPRISING),
    "pin": Verb(
        "[MODEL] [VERSION]",
        "not even a person replaces the champion",
        locking.pin,
        ("reason",),
        danger=Danger.SURPRISING,
    ),
    "unpin": Verb("[MODEL]", "lift a pin", locking.unpin, ("reason",), danger=Danger.SURPRISING),
    "taint": Verb(
        "[MODEL]",
        "do not trust rows, a batch or a version; alone: list",
        locking.taint,
        ("from", "to/time", "batch", "version/taint", "lift", "reason"),
        danger=Danger.SURPRISING,
        changes_with=("--from", "--to", "--batch", "--version", "--lift"),
    ),
    "ingest": Verb(
        "[MODEL] FILE...", "hand over files of rows", running.ingest, danger=Danger.SURPRISING
    ),
    "pull": Verb(
        "[MODEL]",
        "ask the model's source for rows now",
        running.pull,
        ("wait", "reason"),
        danger=Danger.SURPRISING,
    ),
    "labels": Verb(
        "[MODEL] FILE...", "hand over files of labels", running.labels, danger=Danger.SURPRISING
    ),
    "predict": Verb(
        "[MODEL] FILE",
        "ask the prediction service about every row of a file",
        danger=Danger.SURPRISING,
    ),
    "quarantine": Verb(
        "[MODEL] [accept|discard BATCH]",
        "files set aside and why; take one in or discard it, with --reason",
        accepting.quarantine,
        ("reason",),
        danger=Danger.SURPRISING,
        changes_with=("accept", "discard"),
    ),
    "schema": Verb(
        "[MODEL]",
        "the columns of a model, and what the newest file that differs would change",
        accepting.schema,
        ("approve", "reason"),
        danger=Danger.SURPRISING,
        changes_with=("--approve",),
    ),
    "drift": Verb(
        "[MODEL] [COLUMN] | --reference FILE --current FILE",
        "drift of every column or of one, or of one file against another",
        drifting.drift,
    ),
    "quality": Verb(
        "[MODEL]", "nulls, ranges, times, labels: what is wrong with the rows", looking.quality
    ),
    "performance": Verb(
        "[MODEL]",
        "performance by window: realised, and estimated before labels",
        expecting.performance,
    ),
    "forecast": Verb("[MODEL]", "what the next windows should bring", expecting.forecast),
    "kpi": Verb(
        "[MODEL]",
        "business numbers against never and always acting and their promise",
        expecting.kpi,
    ),
    "report": Verb(
        "[MODEL]",
        "a model between two moments as one HTML file, for who was not there",
        report.report,
        ("from", "to/time", "out"),
    ),
    "clients": Verb("[MODEL]", "who asks, and the signs of an attack", looking.clients),
    "events": Verb("", "what happened", looking.events, ("limit", "follow")),
    "audit": Verb(
        "[MODEL]",
        "who changed what, hash-chained",
        tracing.audit,
        ("limit", "verify", "version/audit", "at", "batch", "overrides", "since"),
    ),
    "lineage": Verb("[MODEL] VERSION", "what a version is made of", tracing.lineage),
    "reproduce": Verb(
        "[MODEL] VERSION",
        "train a version again from what was recorded; exit 1 where it comes out otherwise",
        tracing.reproduce,
    ),
    "alerts": Verb(
        "[MODEL]",
        "what stands beyond its limit, and what today's rules would have raised",
        alerting.alerts,
        ("all", "replay", "from/replay", "to/replay"),
    ),
    "alert": Verb(
        "[ack|mute] ID",
        "one alert and what to do; acknowledge it, or mute it for a time",
        alerting.alert,
        ("for", "reason"),
        danger=Danger.REVERSIBLE,
        changes_with=("ack", "mute"),
    ),
    "incident": Verb(
        "[N]",
        "what happened on a bad day: list, show, note, close, report",
        incident.incident,
        ("note", "close", "report"),
        danger=Danger.SURPRISING,
        changes_with=("--note", "--close"),
    ),
    "note": Verb(
        "[MODEL]",
        "say in the audit why the last change was made; needs --reason",
        noting.note,
        ("reason",),
        danger=Danger.SURPRISING,
    ),
    "logs": Verb("[engine|serving|RUN]", "what they wrote, as text or JSON lines"),
    "notify": Verb(
        "[test [NAME]]",
        "who is told of what happens; tell one or all of them now",
        telling.notify,
        danger=Danger.SURPRISING,
        changes_with=("test",),
    ),
    "token": Verb(
        "new|list|revoke [NAME]",
        "who may call the prediction port",
        danger=Danger.FINAL,
        changes_with=("new", "revoke"),
    ),
    "doctor": Verb("", "look at everything, and say how to mend what is not well"),
    "backup": Verb(
        "[--offline]",
        "copy the workspace, hot, and verify it",
        keeping.backup,
        danger=Danger.SURPRISING,
    ),
    "restore": Verb(
        "BACKUP DIR",
        "bring a backup back into a new folder, verified",
        elsewhere="makes another workspace; run it in a shell",
    ),
    "reload": Verb(
        "", "have the engine read cdml.toml again", changing.reload, danger=Danger.SURPRISING
    ),
    "keys": Verb("", "the console's keys and the commands that do the same", keys.keys),
    "completion": Verb(
        "bash|zsh|fish",
        "what has a shell complete verbs, options and names",
        elsewhere="is for a shell",
    ),
}
