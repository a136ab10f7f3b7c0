"""`python -m engine VERB`: the processes of a workspace, and the verbs that need no engine."""

import resource
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec

from engine.exits import Arguments, guarded


def main(argv: list[str]) -> int:
    """Run one verb and return its exit code."""
    verb, rest = (argv[0], argv[1:]) if argv else ("", [])
    if verb not in VERBS:
        sys.stderr.write(f"cdml: python -m engine takes one of: {', '.join(VERBS)}.\n")
        return 2
    # A picture of this process's memory would hold keys, tokens and rows.
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    return VERBS[verb](rest)


def _check(argv: list[str]) -> int:
    from engine import check

    return check.main(argv)


def _init(argv: list[str]) -> int:
    from engine import onboarding

    return onboarding.main(argv)


def _drift(argv: list[str]) -> int:
    from engine import drift_report

    return drift_report.main(argv)


def _predict(argv: list[str]) -> int:
    from engine import predict

    return predict.main(argv)


def _backtest(argv: list[str]) -> int:
    from engine.backtest.verb import main

    return main(argv)


def _demo(argv: list[str]) -> int:
    from engine import demo

    return demo.main(argv)


def _rollback(argv: list[str]) -> int:
    from engine import offline

    return offline.main(argv)


def _doctor(argv: list[str]) -> int:
    from engine.doctor import verb

    return verb.main(argv)


def _backup(argv: list[str]) -> int:
    from engine import backup

    return backup.main(argv)


def _restore(argv: list[str]) -> int:
    from engine import restore

    return restore.main(argv)


def _service(argv: list[str]) -> int:
    from engine import service_verb

    return service_verb.main(argv)


def _token(argv: list[str]) -> int:
    from engine import token_verb

    return token_verb.main(argv)


def _logs(argv: list[str]) -> int:
    from engine import log_verb

    return log_verb.main(argv)


def _up(argv: list[str]) -> int:
    return guarded(lambda: _started(argv), as_json="--json" in argv)


def _started(argv: list[str]) -> int:
    from engine import supervisor, tokens
    from engine.serving import last_good
    from engine.workspace import Workspace

    parser = Arguments(prog="cdml up", description="Start engine and prediction service.")
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("--foreground", action="store_true", help="stay, and end on Ctrl-C")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    workspace = Workspace(Path(given.workspace))
    found = last_good.found(workspace)
    settings = found.settings
    workspace.check_owner()
    if found.fault:
        sys.stderr.write(f"cdml: {found.fault}\n")
    workspace.create(list(settings.models))
    tokens.check_reach(workspace.tokens, settings.serving.listen)
    with workspace.locked():
        pass  # another engine is refused here, in the operator's own terminal
    if given.foreground:
        return supervisor.supervise(workspace.root, [])
    pid = supervisor.detach(workspace.root, [])
    listen = settings.serving.listen
    if given.json:
        answer = {"supervisor": pid, "engine": workspace.holder(), "listen": listen}
        sys.stdout.write(msgspec.json.encode(answer).decode() + "\n")
    else:
        sys.stdout.write(f"cdml is up: engine pid {workspace.holder()}, http://{listen}\n")
    return 0


def _run(argv: list[str]) -> int:
    from engine import boot
    from engine.serving_process import Kept

    parser = Arguments(prog="engine run")
    parser.add_argument("-w", "--workspace", required=True)
    parser.add_argument("--simulated", metavar="TIME")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--port-fd", type=int)
    parser.add_argument("--serving-apart", action="store_true")
    given = parser.parse_args(argv)
    root = Path(given.workspace)
    kept = Kept(given.port_fd, apart=given.serving_apart)
    return guarded(
        lambda: boot.run(root, simulated=given.simulated, seed=given.seed, kept=kept),
        as_json=False,
    )


def _supervise(argv: list[str]) -> int:
    from engine import supervisor

    root = Path(argv[argv.index("-w") + 1])
    at = argv.index("-w")
    return supervisor.supervise(root, argv[:at] + argv[at + 2 :])


def _serve(argv: list[str]) -> int:
    from engine.serving import server
    from engine.serving.worker import Place

    parser = Arguments(prog="engine serve")
    parser.add_argument("-w", "--workspace", required=True)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--listen")
    for name in Place._fields:
        parser.add_argument(f"--{name.replace('_', '-')}", type=int)
    given = parser.parse_args(argv)
    if given.worker is not None:
        place = Place(*(getattr(given, name) for name in Place._fields))
        return server.run_worker(Path(given.workspace), place)
    return server.run(
        Path(given.workspace), seed=given.seed, listen=given.listen, port_fd=given.port_fd
    )


def _job(argv: list[str]) -> int:
    from engine.jobs import child

    return child.main(Path(argv[0]), int(argv[1]))


def _post(_argv: list[str]) -> int:
    from engine.telemetry import post

    return post.main()


VERBS: dict[str, Callable[[list[str]], int]] = {
    "backtest": _backtest,
    "backup": _backup,
    "restore": _restore,
    "init": _init,
    "check": _check,
    "demo": _demo,
    "doctor": _doctor,
    "drift": _drift,
    "predict": _predict,
    "rollback": _rollback,
    "service": _service,
    "token": _token,
    "up": _up,
    "run": _run,
    "supervise": _supervise,
    "serve": _serve,
    "job": _job,
    "logs": _logs,
    "post": _post,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
