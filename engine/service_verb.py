"""`cdml service`: systemd units of a workspace, written only when systemd itself finds no fault."""

import grp
import os
import pwd
import re
import subprocess
import sys
import tempfile
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path

import msgspec

from engine.errors import InvalidError, RefusedError, UnavailableError
from engine.exits import Arguments, guarded
from engine.quantities import address, size
from engine.settings import load
from engine.units import Place, units
from engine.workspace import Workspace

SYSTEM = Path("/etc/systemd/system")
EXPOSED = 2.5
PATIENCE_S = 60.0


class Written(msgspec.Struct, frozen=True):
    """What was done: the units' files, how exposed each service is, what to do next."""

    units: list[str]
    exposure: dict[str, float]
    next: list[str]


def main(argv: list[str]) -> int:
    """Run `cdml service` and return its exit code."""
    return guarded(lambda: _run(argv), as_json="--json" in argv)


def _run(argv: list[str]) -> int:
    parser = Arguments(
        prog="cdml service", description="Have systemd keep engine and prediction service."
    )
    parser.add_argument("-w", "--workspace", default=".", metavar="DIR")
    parser.add_argument("what", choices=["install", "status", "uninstall"])
    parser.add_argument("--user", action="store_true", help="in your own manager, less confined")
    parser.add_argument("--print", action="store_true", help="only show the units")
    parser.add_argument("--json", action="store_true")
    given = parser.parse_args(argv)
    workspace = Workspace(Path(given.workspace)).require()
    texts = units(place(workspace, user=given.user))
    if given.print:
        sys.stdout.write("\n".join(f"# {name}\n{text}" for name, text in texts.items()))
        return 0
    folder = home(user=given.user)
    return {"install": _install, "status": _status, "uninstall": _uninstall}[given.what](
        given, folder, texts
    )


def place(workspace: Workspace, *, user: bool) -> Place:
    """Return what the units of a workspace are about: it runs as whoever owns its folder."""
    settings, found = load(workspace.config), workspace.root.stat()
    writes = [workspace.root]
    copies = (workspace.root / settings.backup.folder).absolute()
    if not copies.is_relative_to(workspace.root):
        if not copies.is_dir():
            raise InvalidError(
                f'Writing units that may write to "{copies}": there is no such folder. Make it, '
                "and give it to the user of the workspace.",
                code="no_folder",
                field="backup.folder",
            )
        writes.append(copies)
    bad = [p for p in writes if not str(p).isprintable()]
    if bad:
        raise InvalidError(
            f"Writing units for {str(bad[0])!r}: systemd takes no path with such signs. "
            "Move the workspace.",
            code="bad_path",
        )
    # What imports us now has to be found then, too: an installation needs nothing.
    source = Path(__file__).resolve().parent.parent
    extra = {} if source.name == "site-packages" else {"PYTHONPATH": str(source)}
    return Place(
        workspace.root.resolve(),
        Path(sys.executable),
        _listen(settings.serving.listen),
        None if user else pwd.getpwuid(found.st_uid).pw_name,
        None if user else grp.getgrgid(found.st_gid).gr_name,
        [p.resolve() for p in writes],
        {**extra, "OMP_NUM_THREADS": "1"},
        [Path(p).resolve() for p in (sys.executable, sys.prefix, source)],
        max((size(m.train.memory) for m in settings.models.values()), default=0),
    )


def check_reach(place: Place) -> None:
    """Run the interpreter as the user of the units; RefusedError where that user cannot."""
    if os.geteuid() != 0 or place.user is None:
        return
    try:
        run = subprocess.run(
            [str(place.python), "-P", "-c", "import engine.boot"],
            user=place.user, group=place.group, extra_groups=[], cwd=place.root,
            env=dict(place.environment), capture_output=True, text=True, timeout=PATIENCE_S,
            check=False,
        )  # fmt: skip
        said = (run.stderr.strip().splitlines() or [f"exit code {run.returncode}"])[-1]
        ran = run.returncode == 0
    except (OSError, subprocess.TimeoutExpired) as e:
        said, ran = str(e), False
    if not ran:
        raise RefusedError(
            f'Running "{place.python}" as {place.user}, who owns the workspace: {said}. Nothing '
            "was written. Install cdml and its Python where that user may read it, like /opt.",
            code="no_permission",
        )


def _listen(listen: str) -> str:
    """Return an address as systemd reads it: of numbers only."""
    host, port = address(listen)
    numbers = "127.0.0.1" if host == "localhost" else host
    return f"[{numbers}]:{port}" if ":" in numbers else f"{numbers}:{port}"


def home(*, user: bool) -> Path:
    """Return where units of the machine, or of this user, lie."""
    if not user:
        return SYSTEM
    config = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    return Path(config) / "systemd/user"


def checked(texts: Mapping[str, str], *, user: bool) -> dict[str, float]:
    """Have systemd look at units; return how exposed each service is, RefusedError with a fault."""
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in texts]
        for file in files:
            file.write_text(texts[file.name], encoding="utf-8")
        mode = ["--user"] if user else []
        # Without a session, as over sudo, a user's manager does not know where it would run.
        runtime = os.environ.get("XDG_RUNTIME_DIR") or folder
        verify = _systemd(
            *("systemd-analyze", *mode, "verify", "--man=no", *map(str, files)), runtime=runtime
        )
        # A machine's other units may have faults of their own.
        faults = [line for line in verify.stderr.splitlines() if folder in line or "cdml-" in line]
        if verify.returncode or faults:
            said = "; ".join(faults) or verify.stderr.strip()
            raise RefusedError(
                f"Checking the units: systemd-analyze verify says {said}. Nothing was written.",
                code="bad_units",
            )
        return {f.name: _exposure(f) for f in files if f.suffix == ".service" and not user}


def _exposure(file: Path) -> float:
    text = _systemd("systemd-analyze", "security", "--offline=true", "--no-pager", str(file))
    number = re.search(r"Overall exposure level for \S+: ([\d.]+)", text.stdout)
    if number is None:
        raise UnavailableError(
            f"Checking {file.name}: systemd-analyze security says {text.stderr.strip()[:200]}. "
            "Update systemd to 250 or newer.",
            code="no_systemd",
        )
    return float(number[1])


def _check_name(given: Namespace, folder: Path, texts: Mapping[str, str]) -> None:
    """Refuse what would touch the units of another workspace whose folder has the same name."""
    for name, text in texts.items():
        at = next((line for line in text.splitlines() if line.startswith("WorkingDirectory")), None)
        file = folder / name
        if at and file.is_file() and at not in file.read_text(encoding="utf-8").splitlines():
            raise RefusedError(
                f'Doing {given.what} for "{given.workspace}": "{file}" is of another workspace '
                "whose folder has the same name. Nothing was changed. Rename this folder.",
                code="name_taken",
            )


def _install(given: Namespace, folder: Path, texts: Mapping[str, str]) -> int:
    _check_name(given, folder, texts)
    check_reach(place(Workspace(Path(given.workspace)), user=given.user))
    exposure = checked(texts, user=given.user)
    over = {n: e for n, e in exposure.items() if e > EXPOSED}
    if over:
        raise RefusedError(
            f"Checking the units: {over} are more exposed than {EXPOSED}. Nothing was written.",
            code="bad_units",
        )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for name, text in texts.items():
            part = folder / f".{name}.part"
            part.write_text(text, encoding="utf-8")
            part.rename(folder / name)
    except OSError as e:
        raise UnavailableError(
            f'Writing units to "{folder}": {e.strerror}. Run it as root, or with --user.',
            code="no_permission",
        ) from e
    control = _control(given)
    engine = next(n for n in texts if n.endswith("-engine.service"))
    started = " ".join(n for n in texts)
    after = [
        f"{control} daemon-reload",
        "cdml down    # if it runs without systemd",
        f"{control} enable --now {started}",
        f"journalctl {'--user ' if given.user else ''}-u {engine}",
    ]
    if given.user:
        after.append("loginctl enable-linger    # else all ends when you log out")
    answer = Written([str(folder / n) for n in texts], exposure, after)
    lines = [f"written: {path}" for path in answer.units]
    lines += [f"exposure of {n}: {e} of 10, at most {EXPOSED}" for n, e in exposure.items()]
    if given.user:
        lines.append("a user's manager confines less: files and devices stay within its reach")
    _say(given, answer, [*lines, "next:", *(f"  {line}" for line in after)])
    return 0


def _status(given: Namespace, folder: Path, texts: Mapping[str, str]) -> int:
    """Say of each unit whether it is written as it would be now, and how systemd finds it."""
    rows = {}
    for name, text in texts.items():
        path = folder / name
        written = path.read_text(encoding="utf-8") if path.is_file() else None
        state = "absent" if written is None else "as it would be" if written == text else "other"
        run = _systemd(*_control(given).split(), "is-active", name)
        rows[name] = f"{state}, {run.stdout.strip() or 'systemd does not run here'}"
    _say(given, rows, [f"{name}: {said}" for name, said in rows.items()])
    return 0 if all(said.startswith("as it") for said in rows.values()) else 1


def _uninstall(given: Namespace, folder: Path, texts: Mapping[str, str]) -> int:
    _check_name(given, folder, texts)
    there = [name for name in texts if (folder / name).is_file()]
    if there:
        _systemd(*_control(given).split(), "disable", "--now", *there)
    for name in there:
        (folder / name).unlink()
    _systemd(*_control(given).split(), "daemon-reload")
    _say(given, there, [f"removed: {folder / name}" for name in there] or ["there was none"])
    return 0


def _control(given: Namespace) -> str:
    return "systemctl --user" if given.user else "systemctl"


def _systemd(*words: str, runtime: str | None = None) -> "subprocess.CompletedProcess[str]":
    env = {**os.environ, "SYSTEMD_COLORS": "0", "LC_ALL": "C.UTF-8"}
    if runtime is not None:
        env["XDG_RUNTIME_DIR"] = runtime
    try:
        return subprocess.run(
            words, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as e:
        raise UnavailableError(
            f"Asking {words[0]}: {e}. Install systemd (Debian: apt install systemd), or use "
            "cdml up, which does the same without it.",
            code="no_systemd",
        ) from e


def _say(given: Namespace, answer: object, lines: list[str]) -> None:
    text = msgspec.json.encode(answer).decode() if given.json else "\n".join(lines)
    sys.stdout.write(text + "\n")
