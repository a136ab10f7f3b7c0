"""Artifacts made to do harm, most signed with our own key: none is built, nothing of them runs."""

import json
import subprocess
import sys
from pathlib import Path

from tests.box import ENVIRONMENT

MOST_MIB = 300.0

ATTEMPT = """
import hashlib, io, json, os, pickle, struct, sys, zipfile
from pathlib import Path
import joblib, msgspec
from engine.artifacts import Artifacts, _write, loads
from engine.errors import CdmlError

folder, canary = Path(sys.argv[1]), sys.argv[2]

class Touching:
    def __reduce__(self):
        return os.system, (f"touch {canary}",)

def packed(members, ratio=zipfile.ZIP_DEFLATED):
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", ratio) as file:
        for name, content in members.items():
            file.writestr(name, content)
    return made.getvalue()

def dumped(thing):
    made = io.BytesIO()
    joblib.dump(thing, made)
    return made.getvalue()

def lying(content, true, said):
    return content.replace(struct.pack("<I", true), struct.pack("<I", said))

node = {"__class__": "system", "__module__": "posix", "__loader__": "FunctionNode", "content": ""}
huge = 200 << 20
# numpy reads an array of objects by unpickling it.
objects = io.BytesIO()
import numpy
def numbers(count):
    made = io.BytesIO()
    head = {"descr": "<f8", "fortran_order": False, "shape": (count,)}
    numpy.lib.format.write_array_header_1_0(made, head)
    return made.getvalue() + bytes(80)

def stored(members):
    return packed(members, zipfile.ZIP_STORED)

def flipped(content, at, to):
    return content[:at] + to + content[at + len(to):]

numpy.save(objects, numpy.array([Touching()], dtype=object), allow_pickle=True)
array = {"__class__": "ndarray", "__module__": "numpy", "__loader__": "NdArrayNode",
         "type": "numpy", "file": "1.npy", "__id__": 1}
hostile = {
    "pickle": pickle.dumps(Touching()),
    "joblib": dumped(Touching()),
    "joblib, packed": packed({"schema.json": dumped(Touching())}),
    "function": packed({"schema.json": json.dumps(node)}),
    "objects": packed({"schema.json": json.dumps(array), "1.npy": objects.getvalue()}),
    "slip": packed({"../../../" + canary.lstrip("/"): "x", canary: "x", "schema.json": "{}"}),
    "bomb": packed({"schema.json": bytes(huge)}),
    "bomb that lies": lying(packed({"schema.json": bytes(huge)}), huge, 1000),
    "deep": packed({"schema.json": "[" * 100_000}),
    "deep, as it is": stored({"schema.json": "[" * 100_000}),
    "deep objects": stored({"schema.json": '{"content":' * 50_000 + "1" + "}" * 50_000}),
    "a wrong checksum": flipped(stored({"schema.json": "{}"}), 14, b"XXXX"),
    "encrypted": flipped(stored({"schema.json": "{}"}), 6, b"\\x01\\x00"),
    "members that overlap": stored({"schema.json": "{}"}) + stored({"schema.json": "{}"}),
    "a bomb of many members": packed({str(n): bytes(2 << 20) for n in range(200)}),
    "10,001 members": stored({str(n): "" for n in range(10_001)}),
    "numbers that are not there": packed(
        {"schema.json": json.dumps(array), "1.npy": numbers(10**9)}),
    "more numbers than there is memory": packed(
        {"schema.json": json.dumps(array), "1.npy": numbers(10**15)}),
    "a type that is not known": packed({"schema.json": json.dumps(
        {**node, "__class__": "Popen", "__module__": "subprocess", "__loader__": "ObjectNode"})}),
    "a method of a thing": packed({"schema.json": json.dumps(
        {"__class__": "call", "__module__": "os", "__loader__": "MethodNode",
         "content": {"obj": node, "func": "system"}})}),
    "an operator": packed({"schema.json": json.dumps(
        {"__class__": "methodcaller", "__module__": "operator", "__loader__": "OperatorFuncNode",
         "attrs": node})}),
    "json of a list": packed({"schema.json": "[]"}),
    "a null": packed({"schema.json": "null"}),
    "empty": b"",
}
found = {}
artifacts = Artifacts(folder / "artifacts", folder / "keys")
(folder / "artifacts").mkdir()
key = artifacts._private_key()
# Another workspace signs as well as we do, but not with our key.
other = Artifacts(folder / "artifacts", folder / "other")._private_key()
from tests.engine.test_artifacts import manifest
from sklearn.linear_model import LogisticRegression
from engine.artifacts import dump
from engine.serving.served import proven
good = dump(LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]))
hostile["signed by another"] = good
hostile["signed, of another model"] = good
for name, content in hostile.items():
    known = manifest(content, run=name)
    text = msgspec.json.encode(known, order="sorted")
    digest = hashlib.sha256(text).hexdigest()
    _write(folder / "artifacts" / f"{known.artifact}.skops", content)
    signs = other if name == "signed by another" else key
    _write(folder / "artifacts" / f"{digest}.sig", signs.sign(text))
    _write(folder / "artifacts" / f"{digest}.json", text)
    try:
        loaded = artifacts.load(digest)
        if name == "signed, of another model":
            proven("early", "v1", loaded)
    except CdmlError as e:
        found[name] = e.code
    except BaseException as e:
        found[name] = repr(e)[:200]
    else:
        found[name] = "loaded"
# Not ru_maxrss: a process begins with that of the one that started it.
status = Path("/proc/self/status").read_text()
peak = int(status.partition("VmHWM:")[2].split()[0]) // 1024
print(json.dumps({"found": found, "peak": peak}))
"""


def attempted(folder: Path) -> tuple[int, float, list[str]]:
    """Load all in one process; return how many, the peak of its memory, and what was wrong."""
    canary = folder / "canary"
    run = subprocess.run(
        [sys.executable, "-c", ATTEMPT, str(folder), str(canary)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    if run.returncode:
        return 0, 0.0, [run.stderr[-500:]]
    said = json.loads(run.stdout)
    right = {"signed, of another model": "wrong_model"}
    wrong = [
        f"{name}: {code}" for name, code in said["found"].items()
        if code != right.get(name, "artifact_corrupt")
    ]  # fmt: skip
    wrong += ["the canary sang"] if canary.exists() else []
    made = {p.suffix for p in folder.rglob("*") if p.is_file()} - {".skops", ".sig", ".json", ""}
    wrong += [f"files were made: {made}"] if made else []
    return len(said["found"]), float(said["peak"]), wrong
