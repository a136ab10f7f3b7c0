"""Where a caller sits is read from a real process on a real terminal."""

import os
import pty
import signal
import subprocess
import sys

import pytest

from engine.api.origin import ssh_of, this_user, tty_of


def test_a_process_on_a_terminal_names_it() -> None:
    code = "import os; print(os.ttyname(0), flush=True); input()"
    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", code])
    try:
        name = os.read(terminal, 100).decode().strip()
        assert name == f"/dev/{tty_of(pid)}"
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


@pytest.mark.parametrize(
    ("said", "found"),
    [
        ("192.0.2.7 5022 192.0.2.1 22", "192.0.2.7"),
        ("fe80::1%eth0 5022 fe80::2 22", "fe80::1"),
        ("\x1b[2J 1 2 3", None),
        (None, None),
    ],
)
def test_the_address_that_ssh_told_of_is_read_and_nothing_else(
    said: str | None, found: str | None
) -> None:
    env = {} if said is None else {"SSH_CONNECTION": said}
    code = "import sys; print('up', flush=True); sys.stdin.read()"
    command = [sys.executable, "-S", "-c", code]
    with subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, start_new_session=True
    ) as child:
        assert child.stdout is not None
        child.stdout.readline()
        assert ssh_of(child.pid) == found
        assert tty_of(child.pid) is None
        child.communicate()


def test_a_process_that_is_gone_sits_nowhere() -> None:
    assert (tty_of(2**22 + 1), ssh_of(2**22 + 1)) == (None, None)


def test_who_runs_a_command_is_not_what_the_environment_says(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LOGNAME", "USER", "SUDO_USER"):
        monkeypatch.setenv(name, "mallory")
    found = this_user()
    assert (found.uid, found.pid) == (os.getuid(), os.getpid())
    assert found.name != "mallory"
