"""What must be said nowhere: tokens, keys, passwords in URLs and headers; and a look everywhere."""

import json
import secrets
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

from cdml_tui.client import ConsoleError
from tests.box import Box, eventually, row
from tests.faults.intruder import Both

LOOKS = ("state", "status", "events/recent", "audit", "notify", "jobs", "openapi.json", "incidents")
TOKEN, PASSWORD = f"cdml_{secrets.token_urlsafe(32)}", secrets.token_urlsafe(24)
VERBS = (
    "doctor",
    "check",
    "notify",
    "logs engine",
    "logs serving",
    "token list",
    "audit",
    "events",
)


@dataclass(frozen=True, slots=True)
class Secrets:
    """What is looked for, by what it is."""

    words: dict[str, bytes]

    def in_(self, what: str, text: bytes) -> list[str]:
        """Return which of them stand in a text."""
        return [f"{name} is in {what}" for name, word in self.words.items() if word in text]


def planted(box: Box) -> Secrets:
    """Put secrets wherever they belong, before the engine starts; both ends take no call."""
    keys = box.path / "keys"
    urls = {"hook": f"json://user:{PASSWORD}@127.0.0.1:9/x", "bad": f"nosuch://{PASSWORD}"}
    told = "\n".join(f'{name} = "{url}"' for name, url in urls.items())
    (keys / "notify.toml").write_text(f"[targets]\n{told}\n")
    (keys / "otlp.toml").write_text(f'[headers]\nauthorization = "Bearer {PASSWORD}"\n')
    for name in ("notify.toml", "otlp.toml"):
        (keys / name).chmod(0o600)
    config = box.path / "cdml.toml"
    more = '\n[telemetry]\notlp = "http://127.0.0.1:9"\n[notify]\ndeadline = "2s"\n'
    more += "".join(f'[notify.targets.{name}]\nlevel = "INFO"\n' for name in urls)
    config.write_text(config.read_text() + more)
    key = (keys / "private").read_bytes()
    return Secrets(
        {"the password": PASSWORD.encode(), "the key": key, "the key in hex": key.hex().encode()}
    )


def leaks(box: Box, known: Secrets) -> tuple[int, list[str]]:
    """Use every secret, rightly and wrongly; return how many places were seen, and what leaks."""
    made = box.run("token", "new", "tower").stdout.strip()
    words = {"a token": made.encode(), "its inside": made.removeprefix("cdml_").encode(),
             "a guess": TOKEN.encode()}  # fmt: skip
    known = Secrets({**known.words, **words})
    said = {f"{target} with {token[:9]}": content for token in (made, TOKEN)
            for target, content in _asked(box, token).items()}  # fmt: skip
    try:
        box.control.notify(test="")
    except ConsoleError as fault:
        said["notify test"] = str(fault).encode()
    eventually("a target failed", lambda: any("hook" in text for text in box.events()))
    with Both(box) as both:
        said |= {p: both.ask("control", "GET", f"/api/v1/{p}", b"")[1] for p in LOOKS}
        said["/metrics"] = both.ask("control", "GET", "/metrics", b"")[1]
    for words_ in VERBS:
        run = box.run(*words_.split(), code=None)
        said[f"cdml {words_}"] = (run.stdout + run.stderr).encode()
    box.control.back_up()
    wrong: list[str] = []
    for pid, verb in box.processes().items():
        for file in ("cmdline", "environ"):
            said[f"{file} of {verb}"] = Path(f"/proc/{pid}/{file}").read_bytes()
        limits = Path(f"/proc/{pid}/limits").read_text()
        core = next(line.split() for line in limits.splitlines() if line.startswith("Max core"))
        wrong += [] if core[4:6] == ["0", "0"] else [f"{verb} may leave a core: {core}"]
    # A backup holds keys/ whole, as it says; nothing else of it may.
    said |= {str(p.relative_to(box.path)): p.read_bytes() for p in box.path.rglob("*")
             if p.is_file() and "keys" not in p.relative_to(box.path).parts}  # fmt: skip
    wrong += [leak for what, text in said.items() for leak in known.in_(what, text)]
    wrong += [f"{p.name} may be read by others" for p in (box.path / "keys").iterdir()
              if p.stat().st_mode & 0o007]  # fmt: skip
    return len(said), wrong


def _asked(box: Box, token: str) -> dict[str, bytes]:
    """Ask the prediction port with a token, in its header and where it does not belong."""
    found = {}
    own = {"authorization": f"Bearer {token}", "x-request-id": "r-1"}
    link = HTTPConnection("127.0.0.1", box.port, timeout=30)
    for method, target, body in (
        ("GET", "/metrics", None), ("GET", "/nosuch", None), ("GET", "/v2/models/late", None),
        ("GET", "/v1/models/late/predict", None), ("POST", "/v1/models/late/predict", "{"),
        ("POST", "/v1/models/late/predict", json.dumps({"rows": [row("x")]})),
    ):  # fmt: skip
        link.request(method, target, body, own)
        found[f"{method} {target} {body!r:.20}"] = link.getresponse().read()
    link.close()
    return found
