"""Cases 33 to 40: what an attacker tries, from outside, from beside and from within the files."""

from functools import partial
from pathlib import Path

from tests.box import copied
from tests.faults import chains, hidden, peers, reached, strange
from tests.faults.day import whole_day
from tests.faults.fuzz import fuzzed, recorded
from tests.faults.hostile import MOST_MIB, attempted
from tests.faults.intruder import SECRET, Bait, corpus, lured
from tests.faults.outcome import Case, Outcome
from tests.faults.scene import watched


def malformed(stock: Path, folder: Path, count: int) -> Outcome:
    """Send malformed requests to both ports."""
    outcome = Outcome("33", "malformed requests to both ports")
    with copied(stock, folder / "box") as box:
        box.up()
        found = fuzzed(box, count)
        for name, one in found.items():
            outcome.injected += one.refused
            outcome.wrong += one.wrong
            outcome.goal(f"{name} logged KiB", one.logged / 1024, at_most=64)
            outcome.figures[f"{name} refused"] = one.refused
        outcome.wrong += recorded(box, found)
    outcome.failed = min(outcome.injected, len(outcome.wrong))
    return outcome


def escapes(_: Path, folder: Path) -> Outcome:
    """Have every name and reason be an attack on terminals and pages; look everywhere."""
    outcome = Outcome("34", "escape sequences and markup in every word")
    with strange.strange(folder) as box:
        for name, look in (("verbs and files", strange.shown), ("screens", strange.drawn)):
            count, wrong = look(box)
            outcome.injected += count
            outcome.wrong += wrong
            outcome.figures[name] = count
    outcome.failed = min(outcome.injected, len(outcome.wrong))
    return outcome


def paths(stock: Path, folder: Path) -> Outcome:
    """Try every path that leads elsewhere on every route of both ports."""
    outcome = Outcome("35", "paths that lead elsewhere, on every route")
    folder.mkdir()
    bait = Bait(folder / "bait.json")
    with watched(stock, folder, touched=True) as (box, inside):
        (box.path / "artifacts" / f"{'0' * 64}.json").symlink_to(bait.path)
        box.up()
        outcome.wrong, outcome.injected = lured(box, corpus(bait.path, "0" * 64))
        outcome.wrong += ["the bait was opened"] if bait.opened() else []
        assert bait.path.read_text() == SECRET
        outcome.wrong += [] if bait.opened() else ["the watch is blind"]
        elsewhere = inside.noted("opened")
        outcome.wrong += [f"opened {words[1]}" for words in elsewhere]
        outcome.figures["opened elsewhere"] = len(elsewhere)
    bait.take_away()
    outcome.failed = min(outcome.injected, len(outcome.wrong))
    return outcome


def artifacts(_: Path, folder: Path) -> Outcome:
    """Load artifacts that were made to do harm."""
    outcome = Outcome("36", "hostile artifacts")
    folder.mkdir()
    outcome.injected, peak, outcome.wrong = attempted(folder)
    outcome.goal("peak MiB", peak, at_most=MOST_MIB)
    outcome.failed = len(outcome.wrong)
    return outcome


def listening(stock: Path, folder: Path) -> Outcome:
    """Look where a workspace listens, have it listen elsewhere, and whom it calls."""
    outcome = Outcome("37", "where it listens, and whom it calls")
    with watched(stock, folder, touched=True) as (box, inside):
        box.up()
        found = reached.listening(box)
        wrong = sorted(found ^ reached.expected(box))
        outcome.struck([f"it listens on {name}, or does not" for name in wrong])
        whole_day(box, folder)
        box.run("doctor", code=None)
        calls = {words[1] for words in inside.noted("called")} - {str(("127.0.0.1", box.port))}
        asks = inside.noted("socket.getaddrinfo")
        outcome.struck([f"it called {call}" for call in (*calls, *asks)])
        box.down()
        for wide in ("0.0.0.0", "[::]", "192.0.2.1"):
            outcome.struck(reached.refused(box, wide))
    outcome.figures = {"sockets": len(found), "calls": len(calls)}
    return outcome


def roles(stock: Path, _: Path) -> Outcome:
    """Ask every route as users of every role, and of none."""
    outcome = Outcome("38", "each route by users of each role, and of none")
    with peers.visited(stock) as box:
        outcome.wrong = [
            *peers.serving_asked(box),
            *peers.control_on_the_port(box),
            *peers.crowded(box),
        ]
        outcome.injected, wrong = peers.matrix_wrong(box)
        outcome.wrong += wrong
    outcome.failed = min(outcome.injected, len(outcome.wrong))
    outcome.figures = {"routes": len(peers.MATRIX["admin"]), "users": len(peers.MATRIX) + 2}
    return outcome


def audit(stock: Path, _: Path) -> Outcome:
    """Edit the audit in every way, and do everything that belongs into it as two users."""
    outcome = Outcome("39", "an altered audit, and who did what")
    with peers.visited(stock) as box:
        chains.files(box.path.parent)
        outcome.struck(chains.told(box, box.path.parent, 0))
        outcome.wrong += chains.edited(box)
        outcome.injected += len(chains.EDITS)
    with peers.visited(stock) as box:
        chains.files(box.path.parent)
        do = partial(chains.told, box, box.path.parent, peers.UID)
        outcome.struck(peers.as_user(peers.UID, peers.GROUPS[2].gr_gid, [0], do))
    outcome.figures = {"edits": len(chains.EDITS), "kinds of change": chains.KINDS}
    outcome.failed = min(outcome.injected, len(outcome.wrong))
    return outcome


def secrets(stock: Path, folder: Path) -> Outcome:
    """Use secrets rightly and wrongly, and look for them everywhere."""
    outcome = Outcome("40", "secrets looked for everywhere")
    folder.mkdir()
    with copied(stock, folder / "box") as box:
        known = hidden.planted(box)
        box.up()
        outcome.injected, outcome.wrong = hidden.leaks(box, known)
    outcome.failed = len(outcome.wrong)
    return outcome


CASES: dict[str, Case] = {
    "33": lambda stock, at: malformed(stock, at, 10_000),
    "34": escapes,
    "35": paths,
    "36": artifacts,
    "37": listening,
    "38": roles,
    "39": audit,
    "40": secrets,
}
