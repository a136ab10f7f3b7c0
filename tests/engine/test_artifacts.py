"""Model files: whatever was changed by hand is not loaded, and nothing in them is executed."""

import hashlib
import io
import json
import zipfile
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import pytest

from engine import artifacts
from engine.artifacts import Artifacts, Manifest, ManifestFeature, dump
from engine.errors import CorruptError, InvalidError

BLANK = Manifest(
    "late", "binary", "linear", "late", "log_loss",
    [ManifestFeature("x", "numeric", nullable=False, low=0.0, high=9.0)],
    ["false", "true"], 0.5, False, "", 0, "2024-01-01", "2024-02-01", 10, [], "all", 1, None, {},
    "2024-03-01T00:00:00Z", "r1", [], [],
)  # fmt: skip


@pytest.fixture(scope="module")
def content() -> bytes:
    """An estimator that was really fitted."""
    from sklearn.linear_model import LogisticRegression

    return dump(LogisticRegression().fit([[0.0], [1.0], [2.0], [3.0]], [0, 0, 1, 1]))


@pytest.fixture
def store(tmp_path: Path) -> Artifacts:
    (tmp_path / "artifacts").mkdir()
    return Artifacts(tmp_path / "artifacts", tmp_path / "keys")


def manifest(content: bytes, **changed: Any) -> Manifest:
    digest = hashlib.sha256(content).hexdigest()
    return msgspec.structs.replace(BLANK, artifact=digest, size_bytes=len(content), **changed)


def replaced(path: Path, content: bytes) -> None:
    """Write over a file that nobody may write to."""
    path.chmod(0o600)
    path.write_bytes(content)


def refused(store: Artifacts, name: str) -> str:
    assert not store.intact(name)
    with pytest.raises(CorruptError) as found:
        store.load(name)
    return found.value.message


def test_a_sealed_version_answers_as_it_did_when_it_was_fitted(
    store: Artifacts, content: bytes
) -> None:
    name = store.seal(content, manifest(content))
    loaded = store.load(name)
    answers = loaded.answers(np.array([[0.0], [3.0]]))
    assert answers.shape == (2, 1)
    assert answers[0, 0] < 0.5 < answers[1, 0]
    assert loaded.schema.names == ("x",)
    assert store.intact(name)
    assert store.manifest(name) == manifest(content)


def test_the_private_key_is_for_its_owner_only(
    store: Artifacts, content: bytes, tmp_path: Path
) -> None:
    store.seal(content, manifest(content))
    assert (tmp_path / "keys" / "private").stat().st_mode & 0o777 == 0o400


def test_a_tampered_estimator_is_refused(store: Artifacts, content: bytes, tmp_path: Path) -> None:
    name = store.seal(content, manifest(content))
    path = next((tmp_path / "artifacts").glob("*.skops"))
    replaced(path, content[:-1] + bytes([content[-1] ^ 1]))
    assert "digest" in refused(store, name)


def test_a_damaged_estimator_is_mended_by_sealing_the_same_again(
    store: Artifacts, content: bytes, tmp_path: Path
) -> None:
    name = store.seal(content, manifest(content))
    replaced(next((tmp_path / "artifacts").glob("*.skops")), b"damaged")
    store.seal(content, manifest(content, run="r2"))
    assert store.intact(name)


def test_a_tampered_manifest_is_refused(store: Artifacts, content: bytes, tmp_path: Path) -> None:
    name = store.seal(content, manifest(content))
    path = tmp_path / "artifacts" / f"{name}.json"
    replaced(path, path.read_bytes().replace(b'"threshold":0.5', b'"threshold":0.9'))
    assert "digest" in refused(store, name)


def test_a_manifest_renamed_to_its_new_digest_lacks_a_signature(
    store: Artifacts, content: bytes, tmp_path: Path
) -> None:
    store.seal(content, manifest(content))
    forged = msgspec.json.encode(manifest(content, threshold=0.9), order="sorted")
    name = hashlib.sha256(forged).hexdigest()
    (tmp_path / "artifacts" / f"{name}.json").write_bytes(forged)
    assert "sig file cannot be read" in refused(store, name)
    (tmp_path / "artifacts" / f"{name}.sig").write_bytes(b"\0" * 64)
    assert "signature" in refused(store, name)


def test_a_version_signed_by_another_workspace_is_refused(
    store: Artifacts, content: bytes, tmp_path: Path
) -> None:
    (tmp_path / "other").mkdir()
    name = Artifacts(tmp_path / "other", tmp_path / "other keys").seal(content, manifest(content))
    store.seal(content, manifest(content, run="r2"))
    for path in (tmp_path / "other").iterdir():
        path.rename(tmp_path / "artifacts" / path.name)
    assert "signature does not fit this workspace" in refused(store, name)


def test_a_lost_private_key_is_said_instead_of_replaced(
    store: Artifacts, content: bytes, tmp_path: Path
) -> None:
    name = store.seal(content, manifest(content))
    (tmp_path / "keys" / "private").unlink()
    with pytest.raises(CorruptError, match="Restore the key"):
        store.seal(content, manifest(content, run="r2"))
    assert store.intact(name)


def test_a_crash_between_the_two_keys_is_repaired(
    store: Artifacts, content: bytes, tmp_path: Path
) -> None:
    store.seal(content, manifest(content))
    (tmp_path / "keys" / "public").unlink()
    assert store.intact(store.seal(content, manifest(content, run="r2")))


def test_a_file_that_is_not_what_its_manifest_says_is_not_sealed(
    store: Artifacts, content: bytes, tmp_path: Path
) -> None:
    with pytest.raises(CorruptError, match="Nothing was stored"):
        store.seal(content + b"x", manifest(content))
    assert not list((tmp_path / "artifacts").iterdir())


def test_a_link_is_not_followed(store: Artifacts, content: bytes, tmp_path: Path) -> None:
    name = store.seal(content, manifest(content))
    path = next((tmp_path / "artifacts").glob("*.skops"))
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert "skops file cannot be read" in refused(store, name)


@pytest.mark.parametrize("name", ["../../etc/passwd", "", "A" * 64, "0" * 63, "0" * 64 + "\n"])
def test_what_is_no_digest_is_no_path_either(store: Artifacts, name: str) -> None:
    with pytest.raises(InvalidError, match="is not a digest"):
        store.load(name)


def packed(members: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as file:
        for name, text in members.items():
            file.writestr(name, text)
    return made.getvalue()


@pytest.mark.parametrize(
    "bomb",
    [
        packed({"schema.json": b"\0" * (32 * 2**20)}),
        packed({f"{n}": b"" for n in range(artifacts.MAX_MEMBERS + 1)}),
    ],
    ids=["ratio", "members"],
)
def test_a_zip_bomb_is_refused_before_it_is_unpacked(store: Artifacts, bomb: bytes) -> None:
    with pytest.raises(CorruptError, match="unpacks to"):
        store.seal(bomb, manifest(bomb))
    with pytest.raises(CorruptError, match="unpacks to"):
        artifacts.loads(bomb, "0" * 64)


def test_a_pickle_by_another_name_is_refused_and_not_executed(tmp_path: Path) -> None:
    canary = tmp_path / "executed"
    # What pickle would run: os.system("touch canary").
    pickled = f"cposix\nsystem\n(S'touch {canary}'\ntR.".encode()
    for content in (pickled, packed({"schema.json": pickled})):
        with pytest.raises(CorruptError, match=r"not a skops file|cannot be built"):
            artifacts.loads(content, "0" * 64)
    assert not canary.exists()


@pytest.mark.parametrize(
    ("module", "kind"), [("posix", "system"), ("subprocess", "Popen"), ("builtins", "eval")]
)
def test_a_skops_file_that_names_a_function_is_refused_and_not_executed(
    tmp_path: Path, module: str, kind: str
) -> None:
    canary = tmp_path / "executed"
    words = {"__class__": "str", "__module__": "builtins", "__loader__": "JsonNode"}
    words |= {"content": json.dumps(f"touch {canary}"), "is_json": True}
    schema = {
        "__class__": kind,
        "__module__": module,
        "__loader__": "ObjectNode",
        "content": words,
        "_skops_version": "0.16.0",
        "protocol": 2,
    }
    with pytest.raises(CorruptError, match="not reviewed"):
        artifacts.loads(packed({"schema.json": json.dumps(schema).encode()}), "0" * 64)
    assert not canary.exists()


@pytest.mark.parametrize("loader", sorted(artifacts.CALLING))
def test_what_would_call_something_is_refused_before_it_is_looked_at(loader: str) -> None:
    node = {"__class__": "call", "__module__": "os", "__loader__": loader}
    text = json.dumps({"content": [{"inside": node}]}).replace("Node", "\\u004eode")
    with pytest.raises(CorruptError, match="something called"):
        artifacts.loads(packed({"schema.json": text.encode()}), "0" * 64)
