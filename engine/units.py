"""The systemd units of one workspace: the prediction port, serving behind it, the engine.

systemd holds the port, so that a restart of serving refuses nobody, and ends what no longer says
that it lives. What a user's own manager cannot do is left out of its units.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

# A step of the engine's beat may take long: a spool of a day is loaded in one.
ENGINE_WATCHDOG_S = 300
SERVING_WATCHDOG_S = 20
SERVING_START_S = 120
# What serving, or the engine without its trainings, may take.
SHARE = 4 << 30
# An upgrade copies and changes files of any size before the engine is ready: never cut that off.
ENGINE_START_S = 3600

HOMES = ("/home/", "/root/", "/run/user/")
TEMPORARY = ("/tmp/", "/var/tmp/")  # noqa: S108 - nothing is written there

EVERYWHERE = """\
NoNewPrivileges=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
RestrictNamespaces=yes
RestrictAddressFamilies=AF_UNIX AF_INET AF_INET6
SystemCallArchitectures=native
SystemCallFilter=@system-service
SystemCallFilter=~@privileged
SystemCallErrorNumber=EPERM
UMask=0027
LimitCORE=0
LimitNOFILE=8192
"""
SYSTEM_ONLY = """\
CapabilityBoundingSet=
AmbientCapabilities=
ProtectSystem=strict
PrivateDevices=yes
PrivateMounts=yes
DevicePolicy=closed
ProtectClock=yes
ProtectHostname=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectKernelLogs=yes
ProtectControlGroups=yes
ProtectProc=invisible
RemoveIPC=yes
KeyringMode=private
"""


@dataclass(frozen=True, slots=True)
class Place:
    """What the units are about: who runs what, where it may write, and how much it may take.

    `environment` is what of ours has to be set; `user` is None in a user's own manager; `reads` is
    where the interpreter and the program lie; `training` is the memory that one training may take.
    """

    root: Path
    python: Path
    listen: str
    user: str | None
    group: str | None
    writes: Sequence[Path]
    environment: Mapping[str, str]
    reads: Sequence[Path] = ()
    training: int = 2 << 30

    @property
    def name(self) -> str:
        """Return what the units are called by: the folder, in letters that a unit may have."""
        return re.sub(r"[^A-Za-z0-9_.]+", "_", self.root.name) or "workspace"


def units(place: Place) -> dict[str, str]:
    """Return the text of each unit by its file's name."""
    name = f"cdml-{place.name}"
    return {
        f"{name}-serving.socket": _socket(place),
        f"{name}-serving.service": _serving(place, name),
        f"{name}-engine.service": _engine(place, name),
    }


def _socket(place: Place) -> str:
    return f"""\
[Unit]
Description=cdml {place.name}: the prediction port

[Socket]
ListenStream={place.listen}
Backlog=1024
NoDelay=yes

[Install]
WantedBy=sockets.target
"""


def _serving(place: Place, name: str) -> str:
    return f"""\
[Unit]
Description=cdml {place.name}: answers predictions
Requires={name}-serving.socket
After={name}-serving.socket
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={_command(place, "serve")}
WatchdogSec={SERVING_WATCHDOG_S}
TimeoutStartSec={SERVING_START_S}
TimeoutStopSec=20
KillMode=mixed
Restart=always
RestartSec=1
{_limits(place, SHARE)}TasksMax=256
{_confined(place, alone=True)}
[Install]
WantedBy={_target(place)}
"""


def _engine(place: Place, name: str) -> str:
    return f"""\
[Unit]
Description=cdml {place.name}: trains, judges, watches, rolls back
Wants={name}-serving.service
After={name}-serving.service
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart={_command(place, "run")} --serving-apart
ExecReload={_command(place, "reload", "cdml_tui.cli")}
WatchdogSec={ENGINE_WATCHDOG_S}
TimeoutStartSec={ENGINE_START_S}
TimeoutStopSec=60
KillMode=mixed
Restart=on-failure
RestartSec=1
OOMPolicy=continue
{_limits(place, SHARE + place.training)}TasksMax=1024
{_confined(place, alone=False)}
[Install]
WantedBy={_target(place)}
"""


def _command(place: Place, verb: str, program: str = "engine") -> str:
    words = [str(place.python), "-P", "-m", program, verb, "-w", str(place.root)]
    return " ".join(_quoted(word) for word in words)


def _limits(place: Place, memory: int) -> str:
    who = f"User={place.user}\nGroup={place.group}\n" if place.user else ""
    said = "".join(
        f"Environment={_quoted(f'{key}={value}')}\n" for key, value in place.environment.items()
    )
    return f"{who}WorkingDirectory={_escaped(str(place.root))}\n{said}MemoryMax={memory >> 20}M\n"


def _confined(place: Place, *, alone: bool) -> str:
    """Return what a unit may not do. `alone`: it need not know who asks over its socket."""
    if place.user is None:
        return EVERYWHERE
    paths = "".join(f"ReadWritePaths={_quoted(str(p))}\n" for p in place.writes)
    used = [f"{p}/" for p in (place.root, place.python, *place.writes, *place.reads)]
    home = any(p.startswith(HOMES) for p in used)
    # Folders for what is temporary of its own would hide what lies in those of the machine.
    temporary = any(p.startswith(TEMPORARY) for p in used)
    own = f"ProtectHome={'read-only' if home else 'yes'}\nPrivateTmp={_word(not temporary)}\n"
    # The engine may have to reach whoever is to be notified.
    reach = alone and _is_local(place.listen)
    local = "IPAddressDeny=any\nIPAddressAllow=localhost\n" if reach else ""
    # Users of another namespace would all be nobody to the engine, which goes by who asks.
    private = "PrivateUsers=yes\n" if alone else ""
    return EVERYWHERE + SYSTEM_ONLY + own + local + private + paths


def _word(yes: bool) -> str:  # noqa: FBT001 - the very value
    return "yes" if yes else "no"


def _is_local(listen: str) -> bool:
    return listen.startswith(("127.", "localhost:", "[::1]"))


def _target(place: Place) -> str:
    return "multi-user.target" if place.user else "default.target"


def _escaped(text: str) -> str:
    return text.replace("%", "%%")


def _quoted(word: str) -> str:
    """Return a word as a unit's value: % and $ mean themselves."""
    word = _escaped(word).replace("$", "$$")
    if re.fullmatch(r"[A-Za-z0-9_./%$=:@+,-]+", word):
        return word
    inside = word.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{inside}"'
