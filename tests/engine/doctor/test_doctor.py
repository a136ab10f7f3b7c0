"""Each thing the doctor looks at can be ill, is named then, and says how it is mended."""

import ctypes
import os
import resource
import shutil
import socket
import sqlite3
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import msgspec
import pytest

from engine.clock import SystemClock, iso
from engine.doctor import files, machine, running
from engine.doctor.finding import Finding, Patient
from engine.doctor.verb import examined
from engine.domain.lifecycle import Event
from engine.ledger.ledger import Ledger
from engine.pipeline import backups
from engine.pipeline import retention as retaining
from engine.pipeline.load import TIDE
from engine.pipeline.promote import promote
from engine.wire import Change
from tests.engine.pipeline.place import PERSON, Place

SERVING = '[serving]\nlisten = "127.0.0.1:{}"\n'


@pytest.fixture
def patient(tmp_path: Path) -> Patient:
    """A workspace in which two versions have led and one backup was made."""
    place = Place.made(tmp_path)
    place.clock.time = SystemClock().now() - timedelta(hours=2)
    place.champions(0.4, 0.3)
    place.answered("v2", n=20)
    backups.made(place, "ada")
    place.ledger.set_meta(retaining.LAST, iso(SystemClock().wall()))
    place.store.checkpoint()
    place.ledger.set_meta(TIDE, str(place.store.tide))
    place.close()
    return Patient(place.workspace, place.settings, None)


def said(check: Callable[[Patient], Iterator[Finding]], patient: Patient) -> list[Finding]:
    """Return what a check finds ill; each says how to mend it."""
    found = [f for f in check(patient) if f.state != "ok"]
    assert all(f.found and f.mend for f in found)
    return found


def only(check: Callable[[Patient], Iterator[Finding]], patient: Patient) -> Finding:
    (found,) = said(check, patient)
    return found


def running_as(patient: Patient, **engine: object) -> Patient:
    """Return the same workspace as an engine would show it."""
    state: dict[str, object] = {
        "engine": {"state": "ready", "note": "", "pid": 1}, "serving": {}, "models": []
    }  # fmt: skip
    return msgspec.structs.replace(patient, engine=state | engine)


WELL = (
    files.rights, files.audit, files.versions, files.store, files.log, files.copies,
    files.retention, files.packages, machine.file_system, running.ways_back,
)  # fmt: skip


@pytest.mark.parametrize("check", WELL, ids=lambda c: c.__name__)
def test_what_is_well_is_not_called_ill(patient: Patient, check: Callable[..., object]) -> None:
    assert said(check, patient) == []


def test_a_disk_without_room_for_data_or_files(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    for free, state in ((100, "bad"), (2**30, "warn")):
        usage = SimpleNamespace(free=free, total=100 * 2**30)
        monkeypatch.setattr(shutil, "disk_usage", lambda _, usage=usage: usage)
        assert only(machine.disk, patient).state == state
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**40, total=2**40))
    monkeypatch.setattr(os, "statvfs", lambda _: SimpleNamespace(f_files=10, f_favail=3))
    assert only(machine.disk, patient).name == "inodes"


def test_a_clock_nobody_keeps_or_that_was_set_back(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = SimpleNamespace(adjtimex=lambda _: 0)
    loose = SimpleNamespace(adjtimex=lambda _: 5)
    monkeypatch.setattr(ctypes, "CDLL", lambda _: loose)
    assert "time service" in only(machine.clock, patient).found
    monkeypatch.setattr(ctypes, "CDLL", lambda _: kept)
    assert said(machine.clock, patient) == []
    before = SystemClock().now() - timedelta(days=1)
    monkeypatch.setattr(SystemClock, "now", lambda _: before)
    assert "still to come" in only(machine.clock, patient).found


def test_a_network_file_system(patient: Patient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_kind", lambda _: "nfs4")
    assert only(machine.file_system, patient).state == "bad"


def test_too_few_files_or_too_little_memory(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 256))
    monkeypatch.setattr(machine, "_available", lambda: 2**20)
    assert {f.name for f in said(machine.limits, patient)} == {"open files", "memory"}


def test_rights_too_wide_and_files_of_somebody_else(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    w = patient.workspace
    (w.keys / "private").chmod(0o444)
    assert "keys/private" in only(files.rights, patient).found
    (w.keys / "private").chmod(0o400)
    w.root.chmod(0o755)
    w.ledger.chmod(0o644)
    assert "ledger.sqlite" in only(files.rights, patient).found
    w.root.chmod(0o750)
    w.spool.chmod(0o550)
    assert "spool" in only(files.rights, patient).found
    w.spool.chmod(0o750)
    true = Path.stat

    def stat(path: Path, **given: bool) -> object:
        found = true(path, **given)
        return found if path != w.batches else SimpleNamespace(st_mode=found.st_mode, st_uid=4242)

    monkeypatch.setattr(Path, "stat", stat)
    found = only(files.rights, patient)
    assert "batches belong to somebody else" in found.found
    assert "chown -R" in found.mend


def test_a_chain_that_was_changed(patient: Patient) -> None:
    with sqlite3.connect(patient.workspace.ledger) as db:
        db.execute("update audit set entry = replace(entry, 'ada', 'eve') where seq = 2")
    assert only(files.audit, patient).state == "bad"


@pytest.mark.parametrize("ending", ["skops", "sig", "json"])
def test_a_version_with_a_wrong_digest_or_signature(patient: Patient, ending: str) -> None:
    for file in patient.workspace.artifacts.glob(f"*.{ending}"):
        file.chmod(0o640)
        file.write_bytes(file.read_bytes()[:-1] + b"?")
    found = only(files.versions, patient)
    assert "v1 of late, v2 of late" in found.found
    assert "cdml rollback late" in found.mend
    assert "its files are damaged or gone" in only(running.ways_back, patient).found


def test_a_ledger_with_a_damaged_page_hides_nothing_else(patient: Patient) -> None:
    path = patient.workspace.ledger
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)
    found = examined(patient.workspace)
    assert {"audit", "versions"} <= {f.name for f in found if f.state == "bad"}
    assert "disk" in {f.name for f in found}


def test_a_store_behind_its_high_water_mark_or_suspect(patient: Patient) -> None:
    ledger = Ledger(patient.workspace.ledger)
    ledger.set_meta(TIDE, "10000")
    ledger.close()
    assert "of 10000 commits" in only(files.store, patient).found
    suspect = running_as(patient, engine={"state": "store_suspect", "note": "lacks 3", "pid": 1})
    assert only(files.store, suspect).found == "lacks 3"


def test_a_spool_that_is_damaged_or_not_loaded_or_dropped(patient: Patient) -> None:
    spool = patient.workspace.spool
    for number in (1, 2):
        (spool / f"boot-0000000{number}.seg").write_bytes(b"records")
    (spool / "boot-00000001.damaged").touch()
    assert "damaged" in only(files.log, patient).found
    (spool / "boot-00000001.damaged").unlink()
    assert said(files.log, running_as(patient)) == []
    os.utime(spool / "boot-00000001.seg", (0, 0))
    assert "wait to be loaded" in only(files.log, running_as(patient)).found
    (spool / "boot-00000001.seg").unlink()
    assert "3 answers" in only(files.log, running_as(patient, serving={"dropped": 3})).found


def test_a_backup_that_is_old_or_missing_or_has_no_room(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = patient.workspace.root / "backups"
    with monkeypatch.context() as full:
        full.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=2**20))
        assert "are free" in only(files.copies, patient).found
    ledger = Ledger(patient.workspace.ledger)
    ledger.set_meta(backups.LAST, iso(SystemClock().wall() - timedelta(days=8)))
    ledger.close()
    assert "8.0 days old" in only(files.copies, patient).found
    shutil.rmtree(home)
    assert "there is none" in only(files.copies, patient).found


def test_retention_that_stands_still(patient: Patient) -> None:
    ledger = Ledger(patient.workspace.ledger)
    ledger.set_meta(retaining.LAST, iso(SystemClock().wall() - timedelta(days=3)))
    ledger.close()
    assert "3.0 days" in only(files.retention, running_as(patient)).found


def test_packages_that_are_others_than_in_training(tmp_path: Path) -> None:
    place = Place.made(tmp_path)
    made = place.version(
        Event.VALIDATION_BEGAN, Event.GATE_PASSED, packages={"scikit-learn": "0.1"}
    )
    promote(place, "late", PERSON, Change("k", to=made))
    place.close()
    found = only(files.packages, Patient(place.workspace, place.settings, None))
    assert "scikit-learn 0.1 then" in found.found


def test_an_engine_that_holds_the_workspace_and_hangs(patient: Patient) -> None:
    with patient.workspace.locked():
        found = {f.name: f for f in said(running.processes, patient)}
    assert found["engine"].state == "bad"
    assert f"kill {os.getpid()}" in found["engine"].mend


def test_serving_that_is_gone_while_the_engine_runs(patient: Patient) -> None:
    assert {f.name for f in said(running.processes, running_as(patient))} == {"serving"}


def test_a_port_that_is_somebody_elses_or_nobodys(
    patient: Patient, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        listen = f"127.0.0.1:{taken.getsockname()[1]}"
        serving = msgspec.structs.replace(patient.settings.serving, listen=listen)
        there = msgspec.structs.replace(patient, settings=msgspec.structs.replace(
            patient.settings, serving=serving))  # fmt: skip
        assert only(running.port, there).state == "warn"
        assert only(running.port, running_as(there)).state == "bad"
        monkeypatch.setattr(running, "_served", lambda _: 7)
        assert said(running.port, there) == []
    assert "nobody answers" in only(running.port, there).found


def test_a_way_back_that_would_not_work(patient: Patient) -> None:
    plan = {
        "ready": False, "why": "no former version", "from_version": "v1", "to": None,
        "checks": [{"name": "drill", "ok": False, "found": "it did not answer"}],
    }  # fmt: skip
    shown = running_as(patient, models=[{"model": "late", "champion": "v1", "rollback": plan}])
    assert "it did not answer" in only(running.ways_back, shown).found


def test_a_slip_in_the_settings_is_said_beside_all_else(patient: Patient) -> None:
    w = patient.workspace
    shutil.copy(w.config, w.run / "cdml.toml")
    w.config.write_text("[serving\n")
    found = {f.name: f for f in examined(w)}
    assert found["settings"].state == "bad"
    assert "versions" in found
