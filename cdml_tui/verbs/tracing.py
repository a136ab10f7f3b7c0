"""The verbs that ask the past: audit and lineage."""

from typing import Any

from cdml_tui.output import cell, json_line, line, table
from cdml_tui.verbs.session import Session, usage
from engine.wire import AuditAnswer, AuditEntry, AuditQuestion, BatchTrace, Lineage


def audit(session: Session) -> int:
    """List the audit entries asked for; with --verify check the whole chain."""
    args = session.args
    question = AuditQuestion(
        verify=args.verify,
        model=args.model,
        version=args.version,
        batch=args.batch,
        at=args.at,
        overrides=args.overrides,
        since=args.since,
    )
    answer = session.client.audit(args.limit, question)
    if session.json:
        json_line(answer)
    else:
        _written(answer, question)
    return 1 if answer.fault else 0


def _written(answer: AuditAnswer, asked: AuditQuestion) -> None:
    if asked.at is not None:
        table(
            [
                "MODEL",
                "CHAMPION",
                "CANARY",
                "SHARE %",
                "SHADOW",
                "GENERATION",
                "SINCE",
                "AUDIT",
                "ANSWERS IN",
            ],
            [
                [
                    *(s.model, s.champion, s.canary, s.canary_share_pct, s.shadow),
                    *(s.generation, s.since, s.audit_seq, s.answers),
                ]
                for s in answer.served
            ],
        )
    if answer.batch is not None:
        _batch(answer.batch)
    table(
        ["SEQ", "TIME", "ACTOR", "ACTION", "MODEL", "ABOUT", "FROM", "TO", "GEN", "REASON"],
        [
            [
                *(e.seq, e.time, e.actor, e.action, e.model, ", ".join(e.detail["fitness"])),
                *(e.from_version, e.to_version, e.generation_after, e.reason),
            ]
            for e in answer.entries
        ],
    )
    if not answer.entries:
        line("no such entries")
    if asked.version is not None or asked.overrides:
        for entry in answer.entries:
            _evidence(entry)
    if answer.fault:
        line(f"the chain is broken: {answer.fault}")
    elif answer.verified:
        line(f"the chain is whole; its head is {answer.head}")


def _evidence(entry: AuditEntry) -> None:
    """Write what spoke for a change and what it was made in spite of."""
    detail = entry.detail
    if report := detail.get("report"):
        against = report["against"] or "the baselines"
        line(f"{entry.seq} {entry.action}: {report['verdict']} against {against}, n {report['n']}")
        for check in report["checks"]:
            line(f"    {check['name']}: {check['verdict']}{_number(check)}")
    if evidence := detail.get("evidence"):
        judged = f"entry {evidence['judged']}" if evidence["judged"] else "no gate report"
        verdict = evidence["verdict"] or "not judged"
        against = f" against {evidence['against']}" if evidence["against"] else ""
        line(f"{entry.seq} {entry.action}: on {judged}, {verdict}{against}")
        line(f"    trained on {' .. '.join(cell(t) for t in evidence['trained'])}")
        line(f"    manifest {evidence['manifest']}")
    if detail.get("overrides"):
        # A version is named to bring it in although its gate or its past speaks against it.
        named = {entry.to_version: f"the state of {entry.to_version}"}
        spite = ", ".join(named.get(guard, guard) for guard in detail["overrides"])
        line(f"{entry.seq} {entry.action}: in spite of {spite}")
    if taint := detail.get("taint"):
        line(f"{entry.seq} {entry.action}: taint {taint['number']}, {taint['reason']}")


def _number(check: dict[str, Any]) -> str:
    if check["value"] is None:
        return ""
    limit = "" if check["threshold"] is None else f", threshold {check['threshold']:.4g}"
    return f", {check['value']:.4g} {check['unit']}{limit}, n {check['n']}"


def _batch(found: BatchTrace) -> None:
    line(f"batch {found.batch}")
    line(f"{found.model}, {found.file}, {found.rows} rows, received {found.received}")
    line(f"rows of {found.from_ or '?'} .. {found.to or '?'}")
    line(f"trained on it: {cell(found.trained)}")
    line(f"judged on it: {cell(found.judged)}")
    taints = [f"{t.number}{' (lifted)' if t.lifted else ''}: {t.reason}" for t in found.taints]
    line(f"taints: {cell(taints)}")
    query(found.batch, found.query)


def reproduce(session: Session) -> int:
    """Train a version again and say whether it comes out the same."""
    model, version = _named(session, "reproduce")
    found = session.client.reproduce(model, version)
    if session.json:
        json_line(found)
    elif found.same:
        line(f"{model} {version} made again: the same artifact {found.artifact}")
    else:
        line(f"{model} {version} made again differs: {'; '.join(found.differs)}")
        for one in found.because:
            line(f"  {one}")
    return 0 if found.same else 1


def _named(session: Session, verb: str) -> tuple[str, str]:
    if not 1 <= len(session.args.words) <= 2:
        raise usage(f"write cdml {verb} [MODEL] VERSION.", "version")
    model, words = session.model_and(session.args.words, lambda words: len(words) == 1)
    if not words:
        raise usage(f"which version of {model}? Write cdml {verb} {model} VERSION.", "version")
    return model, words[0]


def lineage(session: Session) -> int:
    """Show what a version was made of, what it was compared with, and what came of it."""
    model, version = _named(session, "lineage")
    found = session.client.lineage(model, version)
    if session.json:
        json_line(found)
        return 0
    line(f"{model} {found.version}: {found.state}")
    line(f"trained on {found.from_} .. {found.to}, {found.rows} rows, window {found.window}")
    for since, until in found.without:
        line(f"  without the tainted rows of {since} .. {until}")
    line(f"recipe {found.recipe}, metric {found.metric}, seed {found.seed}, run {found.run}")
    line(f"because {found.cause or 'of what is not recorded'}")
    if found.transform is not None:
        of = found.transform
        line(f"transformed by {of.name}, {of.digest}")
        line(f"  keeps {cell(of.kept)}; derives {cell(of.derived)}")
    _origin(found)
    line(f"packages {', '.join(f'{name} {v}' for name, v in found.packages.items())}")
    line(f"manifest {found.manifest}")
    line(f"artifact {found.artifact}")
    line(f"judged {found.verdict or 'not yet'}, against {found.against or 'nothing'}")
    line(f"judged against it: {cell(found.measured)}")
    line(f"parent of: {cell(found.children)}")
    line(f"made champion by audit {cell(found.led)}")
    for t in found.taints:
        lifted = f", lifted {t.lifted}" if t.lifted else ""
        line(f"taint {t.number} by {t.owner} since {t.since}{lifted}: {t.reason}")
    table(
        ["BATCH", "FILE", "ROWS", "FROM", "TO", "TRAINED ON"],
        [[b.batch[:12], b.file, b.rows, b.from_, b.to, b.used] for b in found.batches],
    )
    for b in found.batches:
        query(b.batch, b.query)
    return 0


def query(batch: str, text: str) -> None:
    """Write the query that a batch came from, where it came from one."""
    if text:
        line(f"batch {batch[:12]} came from a query:")
        for part in text.splitlines():
            line(f"    {part}")


def _origin(found: Lineage) -> None:
    """Write what a version was chosen from and made with, where that was recorded."""
    if not found.origin:
        return
    candidate, inputs, search = (found.origin[k] for k in ("candidate", "inputs", "search"))
    recipe, corrected = candidate["recipe"], found.origin["calibration"] or "as they are"
    params = ", ".join(f"{k} {v}" for k, v in recipe["params"].items()) or "no parameters"
    line(f"made of {recipe['of']}, {params}; probabilities {corrected}")
    line(f"parent {inputs['parent'] or 'none'}, recipe of {candidate['again'] or 'cdml.toml'}")
    if judged := found.origin.get("judged"):
        line(f"the refit of artifact {judged[:12]}, which was judged without the newest rows")
    tried = f"{len(search['trials'])} fits, {search['drawn']} of {search['candidates']} candidates"
    line(f"search: {search['method']}, {tried}; {search['chosen']}")
    known = [f"{k} {v}" for k, v in found.origin["environment"].items() if k not in found.packages]
    line(f"environment {', '.join(known)}, source {found.origin['source'] or 'built in'}")
