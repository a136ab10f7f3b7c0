"""A workspace in which every word that people, files and clients choose is an attack on a terminal.

Columns hold markup of rich and of HTML, categories, classes, ids, clients and reasons escape
sequences as well. What is shown anywhere must hold none of it as anything but text.
"""

import csv
import json
import random
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import timedelta
from http.client import HTTPConnection
from pathlib import Path

from cdml_tui.client import ConsoleError
from engine.wire import Change, LockRequest, NoteRequest, RunRequest, TaintRequest
from tests.box import CDML, FIRST, Box, eventually, initialised
from tests.console.pseudo_terminal import PseudoTerminal

# A title, a cleared screen, a colour by C1, letters from right to left, markup of rich and HTML.
MARKUP = "[bold red]x[/] [@click=app.bell]y[/]<script>alert(1)</script>&amp;"
EVIL = f"\x1b]0;owned\x07\x1b[2J\x9b31m\u202e{MARKUP}"
WIND, KIND = f"wind {MARKUP}", "kind"
ROWS = 600
# Each of these in what reaches a terminal or a page is an attack that went through.
OBEYED = ("\x1b]0;", "\x1b[2J\x9b", "\x07", "\x9b", "\u202e", "\r\x1b")
RUNS = re.compile(r"<script>alert|<img src=x|onerror=", re.IGNORECASE)
VERBS = (
    "status", "versions late", "show late v1", "lineage late v1", "jobs", "events", "audit",
    "audit --verify", "drift late", f"drift late|{WIND}", "drift late|kind", "quality late",
    "performance late", "forecast late", "kpi late", "clients late", "alerts --all", "incident",
    "incident 1", "quarantine late", "schema late", "taint late", "rollout late", "check",
    "doctor", "notify", "motd", "watch --once", "logs engine", "logs serving", "logs r1",
    "report late --out -", "job r1", "token list", "compare late v1 v1-safe",
)  # fmt: skip
AS_JSON = (
    "status", "show late v1", "events", "audit", "drift late", "quarantine late", "logs engine",
    "doctor",
)  # fmt: skip
PAGES = ("watch", "drift", "events", "audit", "jobs", "alerts", "data", "incidents", "performance",
         "overview", "rollout")  # fmt: skip


def delivered(path: Path, seed: int) -> Path:
    """Write rows whose columns, categories and classes are attacks."""
    draw, at = random.Random(seed), FIRST
    with path.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(["id", "time", "known", WIND, KIND, "late"])
        for number in range(ROWS):
            at += timedelta(minutes=20)
            wind, kind = round(draw.gauss(10, 4), 3), draw.choice(["a", "b", f"c{EVIL}"])
            late = f"late{EVIL}" if draw.random() < (0.8 if wind > 11 else 0.2) else "on time"
            known = (at + timedelta(hours=2)).isoformat()
            table.writerow([f"{seed}-{number}", at.isoformat(), known, wind, kind, late])
    return path


@contextmanager
def strange(folder: Path) -> Iterator[Box]:
    """Give such a workspace, running, once everything that usually happens has happened in it."""
    folder.mkdir(exist_ok=True)
    box = initialised(folder, delivered(folder / "first.csv", 1))
    try:
        told = folder / "told.json"
        target = (
            f'\n[notify.targets.ops]\nlevel = "INFO"\nexec = ["/usr/bin/tee", "-a", "{told}"]\n'
        )
        config = box.path / "cdml.toml"
        config.write_text(config.read_text() + target, encoding="utf-8")
        box.up()
        eventually("v1 is champion", box.champion)
        happens(box, folder)
        yield box
    finally:
        box.end()


def happens(box: Box, folder: Path) -> None:
    """Have strange words said in every place that takes words."""
    control = box.control
    control.lock("hold", "late", LockRequest("h", EVIL))
    control.lock("resume", "late", LockRequest("r", EVIL))
    control.change("note", "late", Change("n", reason=EVIL))
    control.taint("late", TaintRequest("t", from_="2024-01-02", to="2024-01-03", reason=EVIL))
    control.start("monitor", "late", RunRequest("m", reason=EVIL))
    with suppress(ConsoleError):
        control.change("promote", "late", Change("p", to="v1-safe", override=["hold"], reason=EVIL))
    bad = folder / "bad.csv"
    bad.write_text(f"id,{EVIL}\n1,{EVIL}\n", encoding="utf-8")
    with suppress(ConsoleError):
        control.ingest("late", bad)
    (box.path / "incoming" / "late" / f"{MARKUP.replace('/', '|')}\x1b]0;x\x07.csv").write_text(
        "a\n1\n"
    )
    predicted(box)
    eventually(
        "the strange file is set aside", lambda: any("quarantined" in e for e in box.events())
    )
    with suppress(ConsoleError):
        control.note(1, NoteRequest(EVIL))


def predicted(box: Box) -> None:
    """Ask as a client with a strange name about rows with strange words; some are refused."""
    link = HTTPConnection("127.0.0.1", box.port, timeout=30)
    me = {"x-client-id": b"\x9b31m[blink]<img src=x onerror=alert(1)>"}
    for kind in ("a", f"c{EVIL}", EVIL):
        row = {"id": EVIL[:200], "features": {WIND: 9.5, KIND: kind}}
        for body in ({"rows": [row]}, {"rows": [{"features": {EVIL: 1}}]}):
            link.request("POST", "/v1/models/late/predict", json.dumps(body), me)
            link.getresponse().read()
    link.close()


def wrong_in(what: str, text: str) -> list[str]:
    """Return what in a text a terminal would obey."""
    return [f"{what} holds {sign!r}" for sign in OBEYED if sign in text]


def shown(box: Box) -> tuple[int, list[str]]:
    """Look at everything that is shown; return how many places, and what went through."""
    wrong: list[str] = []
    looked = 0
    for words in VERBS:
        verb = words.replace("|", " ", 1).split(" ") if "|" not in words else [
            *words.partition("|")[0].split(), words.partition("|")[2]]  # fmt: skip
        for more in ([], ["--json"]) if words in AS_JSON else ([],):
            said = box.run(*verb, *more, code=None)
            looked += 1
            wrong += wrong_in(f"cdml {' '.join(verb + more)}", said.stdout + said.stderr)
            if verb[0] == "report" and not more:
                wrong += [f"the report runs {found!r}" for found in RUNS.findall(said.stdout)]
    for path in (box.path / "logs").glob("*.log"):
        looked += 1
        wrong += wrong_in(path.name, path.read_text(encoding="utf-8"))
    told = box.path.parent / "told.json"
    facts = told.read_text(encoding="utf-8")
    looked += 1
    wrong += wrong_in("what a program is told", facts.encode().decode("unicode_escape"))
    wrong += [] if "hold" in facts else ["nothing was told"]
    return looked, wrong


def drawn(box: Box) -> tuple[int, list[str]]:
    """Look at the console: its pictures, its real screen, the line mode, a table on a terminal."""
    wrong: list[str] = []
    for page in PAGES:
        file = box.path.parent / f"{page}.svg"
        said = box.run("watch", "--svg", str(file), "--page", page, code=None)
        if not file.exists():
            wrong.append(f"no picture of {page}: {said.stderr[:200]}")
            continue
        svg = file.read_text(encoding="utf-8")
        tags = {element.tag.rpartition("}")[2].lower() for element in ET.fromstring(svg).iter()}
        wrong += wrong_in(f"the picture of {page}", svg)
        wrong += [f"the picture of {page} has a script"] if tags & {"script", "img"} else []
    around = {"PYTHONPATH": box.environment["PYTHONPATH"]}
    commands = [[*CDML, *words.split(), "-w", str(box.path)] for words in
                ("audit", "versions late", "events", "jobs", "quarantine late")]  # fmt: skip
    for command in commands:
        with PseudoTerminal(box.control.socket, command=command, **around) as terminal:
            terminal.leave()
            wrong += wrong_in(f"{command[4]} on a terminal", terminal.raw.decode(errors="replace"))
    with PseudoTerminal(box.control.socket, columns=120, rows=40) as terminal:
        terminal.until("late")
        for key in "d\x1b5\x1b6\x1b7\x1b8\x1b":
            terminal.press(key)
            for _ in range(4):
                terminal.read(0.1)
        # Textual says what the pointer looks like by a sequence that ends in a bell.
        raw = terminal.raw.decode(errors="replace").replace("\x07", "")
        wrong += wrong_in("the console", raw)
        wrong += [] if "[bold red]" in terminal.text else ["markup is not shown as text"]
    return len(PAGES) + len(commands) + 1, wrong
