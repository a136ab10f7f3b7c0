"""A damaged public key is made anew where what is signed proves which one it was."""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from engine.artifacts import Artifacts
from engine.errors import CorruptError
from engine.keys import mended
from tests.engine.pipeline.place import Place

WALL = datetime(2024, 3, 1, tzinfo=UTC)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    found = Place.made(tmp_path / "w")
    yield found
    found.close()


@pytest.fixture
def sealed(place: Place) -> str:
    """The digest of a signed manifest."""
    place.version()
    return next(place.workspace.artifacts.glob("*.sig")).stem


@pytest.mark.parametrize("found", [b"", b"\0" * 32, b"short", None])
def test_a_public_key_that_is_not_the_other_half_is_made_anew_and_kept_aside(
    place: Place, sealed: str, found: bytes | None
) -> None:
    public = place.workspace.keys / "public"
    good = public.read_bytes()
    public.chmod(0o640)
    public.unlink()
    if found is not None:
        public.write_bytes(found)
    artifacts = Artifacts(place.workspace.artifacts, place.workspace.keys)
    with pytest.raises(CorruptError):
        artifacts.manifest(sealed)
    said = mended(place.workspace, WALL)
    assert "made anew from keys/private" in said
    assert public.read_bytes() == good
    assert artifacts.manifest(sealed)
    kept = [p.read_bytes() for p in place.workspace.aside.glob("*-damaged-key/public")]
    assert kept == ([] if found is None else [found])
    assert mended(place.workspace, WALL) == ""


def test_a_foreign_private_key_changes_nothing(place: Place, sealed: str) -> None:
    private, public = (place.workspace.keys / name for name in ("private", "public"))
    good = public.read_bytes()
    private.chmod(0o640)
    private.write_bytes(Ed25519PrivateKey.generate().private_bytes_raw())
    assert mended(place.workspace, WALL) == ""
    assert public.read_bytes() == good
    private.unlink()
    public.chmod(0o640)
    public.unlink()
    assert mended(place.workspace, WALL) == ""
    assert not public.exists()
    assert sealed


def test_a_workspace_without_keys_has_nothing_to_mend(tmp_path: Path, place: Place) -> None:
    assert mended(type(place.workspace)(tmp_path / "empty"), WALL) == ""
