"""Artifacts made to do harm, signed with the workspace's own key: refused before they are built."""

import json
import subprocess
import sys
from pathlib import Path

from tests.box import ENVIRONMENT

MOST_MIB = 300

ATTEMPT = """
import hashlib, io, json, os, pickle, resource, struct, sys, zipfile
from pathlib import Path
import joblib, msgspec
from engine.artifacts import Artifacts, _write, loads
from engine.errors import CdmlError
from tests.engine.test_artifacts import manifest

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
    "empty": b"",
}
found = {}
artifacts = Artifacts(folder / "artifacts", folder / "keys")
(folder / "artifacts").mkdir()
key = artifacts._private_key()
for name, content in hostile.items():
    known = manifest(content)
    text = msgspec.json.encode(known, order="sorted")
    digest = hashlib.sha256(text).hexdigest()
    _write(folder / "artifacts" / f"{known.artifact}.skops", content)
    _write(folder / "artifacts" / f"{digest}.sig", key.sign(text))
    _write(folder / "artifacts" / f"{digest}.json", text)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    try:
        artifacts.load(digest)
    except CdmlError as e:
        found[name] = e.code
    except BaseException as e:
        found[name] = repr(e)[:200]
    else:
        found[name] = "loaded"
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    if grown > int(sys.argv[3]):
        found[name] = f"took {grown} MiB"
print(json.dumps(found))
"""


def test_even_signed_by_us_they_run_nothing_take_no_memory_and_write_nowhere(
    tmp_path: Path,
) -> None:
    canary = tmp_path / "canary"
    run = subprocess.run(
        [sys.executable, "-c", ATTEMPT, str(tmp_path), str(canary), str(MOST_MIB)],
        env=ENVIRONMENT, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert len(found) == 10
    assert {name: code for name, code in found.items() if code != "artifact_corrupt"} == {}
    assert not canary.exists()
    made = {p.suffix for p in tmp_path.rglob("*") if p.is_file()}
    assert made <= {".skops", ".sig", ".json", ""}
