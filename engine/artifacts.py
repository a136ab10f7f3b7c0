"""Model files by digest, each with a signed manifest; the only place that loads an estimator.

Nothing here executes what it reads: skops builds only types of a reviewed list, after the
signature, the digest and the zip directory have been checked. Never pickle, never joblib.
"""

import hashlib
import io
import json
import os
import re
import struct
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from engine.domain.schema import Feature, Kind, Schema
from engine.durable import sync_folder
from engine.errors import CorruptError, InvalidError
from engine.stats import encoding
from engine.transform.columns import RowError
from engine.transform.sealed import Sealed
from engine.transform.transformation import Transformation, derived_only

DIGEST = re.compile(r"[0-9a-f]{64}")
MAX_BYTES = 256 * 2**20
MAX_MEMBERS = 10_000
MAX_RATIO = 100
PIECE = 2**20
Marks = list[tuple[int, ...]]

# Reviewed: plain containers of numbers that the built-in recipes need and skops does not list.
TRUSTED = [
    "numpy.dtype",
    "sklearn.calibration._CalibratedClassifier",
    "sklearn.calibration._SigmoidCalibration",
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.tree._tree.Tree",
]


# What calls something while it is built. No estimator needs it, and twice it built something else
# than it showed (CVE-2025-54412, CVE-2025-54413): refused before skops reads a word.
CALLING = {"MethodNode", "OperatorFuncNode", "PartialNode"}

# An object's number in a skops schema, and the file that is named by one.
_ADDRESS = re.compile(r'("__id__": |"file": ")(\d+)')


class ManifestFeature(msgspec.Struct, frozen=True):
    """One feature of the contract as the manifest stores it."""

    name: str
    kind: str
    nullable: bool
    low: float | None = None
    high: float | None = None
    categories: list[str] = []


class Manifest(msgspec.Struct, frozen=True):
    """All that is known of a trained version; signed, never changed.

    `probe_answers` has one list per probe row: [score] for binary, one probability per class for
    multiclass, [value] for regression. `without` are intervals whose rows were left out as tainted;
    `origin` is what it takes to make the version again. `features` is what clients send; with a
    `transform` the estimator takes what that makes of it.
    """

    model: str
    task: str
    recipe: str
    target: str
    metric: str
    features: list[ManifestFeature]
    classes: list[str]
    threshold: float
    safe_mode: bool
    artifact: str
    size_bytes: int
    trained_from: str
    trained_to: str
    rows: int
    batches: list[str]
    window: str
    seed: int
    noise_floor: float | None
    packages: dict[str, str]
    created_at: str
    run: str
    probe_rows: list[dict[str, Any]]
    probe_answers: list[list[float]]
    format: int = 1
    without: list[tuple[str, str]] = []
    origin: dict[str, Any] = {}
    transform: Sealed | None = None

    def schema(self) -> Schema:
        """Return the contract that serving checks each row against."""
        return Schema(
            tuple(
                Feature(f.name, Kind(f.kind), f.nullable, f.low, f.high, tuple(f.categories))
                for f in self.features
            )
        )


@dataclass(frozen=True, slots=True)
class Loaded:
    """A version ready to answer: `schema` is of its rows, `inputs` of what its estimator takes.

    The estimator takes a float64 matrix in the order of `inputs`.
    """

    manifest: Manifest
    schema: Schema
    estimator: Any
    transformation: Transformation | None = None

    @property
    def inputs(self) -> Schema:
        """Return what the estimator takes, in order: the features, or what they become."""
        sealed = self.manifest.transform
        return self.schema if sealed is None else sealed.inputs(self.schema)

    def matrix(self, columns: Mapping[str, Sequence[Any]]) -> Any:
        """Return rows as the estimator takes them; InvalidError for one that cannot be computed."""
        if self.transformation is None:
            return encoding.matrix(self.schema, columns)
        try:
            _, derived = self.transformation(columns)
        except RowError as e:
            raise InvalidError(
                f'Transforming rows of {self.manifest.model} by "{self.transformation.source.name}"'
                f": row {e.at + 1} of {len(columns[self.schema.names[0]])} cannot be computed, "
                f'"{e.said}". Leave such rows out, or mend the transformation and train again.',
                code="untransformable",
            ) from e
        return encoding.matrix(self.inputs, dict[str, Any](columns) | derived)

    def rows_matrix(self, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Return rows, a mapping each, as the estimator takes them."""
        return self.matrix({name: [row[name] for row in rows] for name in self.schema.names})

    def answers(self, matrix: Any) -> Any:
        """Return a 2-D array, a row each: [score], class probabilities, or [value]."""
        if self.manifest.task == "regression":
            return self.estimator.predict(matrix).reshape(-1, 1)
        probabilities = self.estimator.predict_proba(matrix)
        return probabilities[:, 1:2] if self.manifest.task == "binary" else probabilities


def dump(estimator: Any) -> bytes:
    """Write an estimator as skops bytes, the same for the same estimator."""
    import skops.io

    return _canonical(skops.io.dumps(estimator))


def _canonical(content: bytes) -> bytes:
    """Number the members in order instead of by memory address, and drop the time of day."""
    source = zipfile.ZipFile(io.BytesIO(content))
    schema = source.read("schema.json").decode()
    numbers: dict[str, str] = {}
    schema = _ADDRESS.sub(lambda m: m[1] + numbers.setdefault(m[2], str(len(numbers) + 1)), schema)
    members = {}
    for name in source.namelist():
        stem, dot, ending = name.partition(".")
        members[numbers.get(stem, stem) + dot + ending] = source.read(name)
    members["schema.json"] = schema.encode()
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as file:
        for name in sorted(members):
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.compress_type = zipfile.ZIP_DEFLATED
            file.writestr(info, members[name], compresslevel=6)
    return made.getvalue()


class Artifacts:
    """The artifacts folder of a workspace; only sealing needs the private key."""

    def __init__(self, folder: Path, keys: Path) -> None:
        self._folder = folder
        self._keys = keys
        # What was found whole: artifact and marks of that moment, so that 60 MB are read once.
        self._whole: dict[str, tuple[str, Marks | None]] = {}

    def seal(self, content: bytes, manifest: Manifest) -> str:
        """Store an estimator and its signed manifest durably; return the manifest's digest."""
        digest = hashlib.sha256(content).hexdigest()
        if digest != manifest.artifact:
            raise CorruptError(
                f"Sealing a version of {manifest.model}: the file's digest {digest[:12]} is not "
                f"the manifest's {manifest.artifact[:12]}. Nothing was stored; train again.",
                code="digest_mismatch",
            )
        _check_zip(content, digest)
        text = msgspec.json.encode(manifest, order="sorted")
        name = hashlib.sha256(text).hexdigest()
        _write(self._folder / f"{digest}.skops", content)
        _write(self._folder / f"{name}.sig", self._private_key().sign(text))
        _write(self._folder / f"{name}.json", text)
        sync_folder(self._folder)
        return name

    def manifest(self, name: str) -> Manifest:
        """Read a manifest after checking its digest and signature."""
        text = self._read(name, "json")
        if hashlib.sha256(text).hexdigest() != name:
            raise _corrupt(name, "the manifest's digest is not its name")
        self._verify(name, text)
        return msgspec.json.decode(text, type=Manifest)

    def load(self, name: str) -> Loaded:
        """Load a version after checking signature, digest and size; CorruptError otherwise."""
        manifest = self.manifest(name)
        content = self._read(manifest.artifact, "skops")
        if hashlib.sha256(content).hexdigest() != manifest.artifact:
            raise _corrupt(manifest.artifact, "the file's digest is not its name")
        schema, sealed = manifest.schema(), manifest.transform
        ready = None
        if sealed is not None:
            ready = derived_only(sealed, {f.name: f.kind for f in schema.features})
        return Loaded(manifest, schema, loads(content, manifest.artifact), ready)

    def sizes(self, name: str) -> tuple[int, int]:
        """Return a version's bytes on disk and, as a measure of its memory, those unpacked."""
        manifest = self.manifest(name)
        content = self._read(manifest.artifact, "skops")
        members = zipfile.ZipFile(io.BytesIO(content)).infolist()
        return len(content), sum(m.file_size for m in members)

    def intact(self, name: str, *, afresh: bool = False) -> bool:
        """Say whether manifest and file are there and unchanged, without loading them.

        Files whose size and times are those of the last look are not read again unless `afresh`.
        """
        try:
            artifact, marks = self._whole.pop(name, ("", None))
            if not afresh and marks is not None and marks == self._marks(name, artifact):
                self._whole[name] = artifact, marks
                return True
            artifact = self.manifest(name).artifact
            marks = self._marks(name, artifact)
            content = self._read(artifact, "skops")
        except (CorruptError, OSError):
            return False
        if hashlib.sha256(content).hexdigest() != artifact:
            return False
        self._whole[name] = artifact, marks
        return True

    def _marks(self, name: str, artifact: str) -> Marks:
        """Return what the file system says of a version's three files."""
        files = [f"{name}.json", f"{name}.sig", f"{artifact}.skops"]
        found = [(self._folder / file).stat(follow_symlinks=False) for file in files]
        return [(s.st_ino, s.st_size, s.st_mtime_ns, s.st_ctime_ns) for s in found]

    def _read(self, digest: str, kind: str) -> bytes:
        if not DIGEST.fullmatch(digest):
            raise InvalidError(
                f'Reading an artifact: "{digest[:70]}" is not a digest.', code="bad_digest"
            )
        try:
            folder = os.open(self._folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                handle = os.open(f"{digest}.{kind}", os.O_RDONLY | os.O_NOFOLLOW, dir_fd=folder)
            finally:
                os.close(folder)
        except OSError as e:
            raise _corrupt(digest, f"the {kind} file cannot be read: {e.strerror}") from None
        with os.fdopen(handle, "rb") as file:
            return file.read(MAX_BYTES + 1)

    def _verify(self, name: str, text: bytes) -> None:
        from cryptography.exceptions import InvalidSignature
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        try:
            public = Ed25519PublicKey.from_public_bytes((self._keys / "public").read_bytes())
            public.verify(self._read(name, "sig"), text)
        except (InvalidSignature, OSError, ValueError):
            raise _corrupt(name, "the manifest's signature does not fit this workspace") from None

    def _private_key(self) -> Any:
        """Return the signing key, made on first use: 0400, owned by the engine's user."""
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        path, public = self._keys / "private", self._keys / "public"
        if not path.exists():
            if public.exists():
                raise CorruptError(
                    f'Signing a version: "{path}" is gone, but versions were signed with it. '
                    "Nothing was stored. Restore the key from a backup.",
                    code="key_lost",
                )
            self._keys.mkdir(mode=0o750, exist_ok=True)
            _write(path, Ed25519PrivateKey.generate().private_bytes_raw(), mode=0o400)
        key = Ed25519PrivateKey.from_private_bytes(path.read_bytes())
        if not public.exists():
            _write(public, key.public_key().public_bytes_raw())
            sync_folder(self._keys)
        return key


def loads(content: bytes, digest: str) -> Any:
    """Build an estimator from skops bytes; CorruptError where it holds an unreviewed type."""
    import skops.io
    from skops.io.exceptions import UntrustedTypesFoundException

    _check_zip(content, digest)
    try:
        _check_schema(content, digest)
        return skops.io.loads(content, trusted=TRUSTED)
    except CorruptError:
        raise
    except UntrustedTypesFoundException as e:
        raise _corrupt(digest, f"it holds types that were not reviewed: {e}") from None
    except Exception as e:
        # Not the file that was sealed, or a scikit-learn that no longer has what it names. What a
        # file that was made to do harm can raise has no end: too deep, no memory, a wrong checksum.
        raise _corrupt(digest, f"it cannot be built here: {type(e).__name__}: {e!s:.300}") from e


def _check_zip(content: bytes, digest: str) -> None:
    """Refuse bombs from the zip directory, before anything is unpacked."""
    if len(content) > MAX_BYTES:
        raise _corrupt(digest, f"it is larger than {MAX_BYTES} bytes")
    try:
        members = zipfile.ZipFile(io.BytesIO(content)).infolist()
    except zipfile.BadZipFile:
        raise _corrupt(digest, "it is not a skops file") from None
    total = sum(m.file_size for m in members)
    if len(members) > MAX_MEMBERS or total > MAX_BYTES or total > MAX_RATIO * len(content):
        raise _corrupt(digest, f"it unpacks to {total} bytes in {len(members)} members")
    for member in members:
        if not _is_as_long_as_it_says(content, member):
            raise _corrupt(digest, f'"{member.filename[:40]}" in it is not as long as it says')


def _check_schema(content: bytes, digest: str) -> None:
    """Refuse a file that would have something called; nothing of what is read is kept."""
    loaders: set[str] = set()
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        json.loads(
            file.read("schema.json"),
            object_hook=lambda node: loaders.add(str(node.get("__loader__"))),
        )
    if found := loaders & CALLING:
        raise _corrupt(digest, f"it would have something called while it is built: {min(found)}")


def _is_as_long_as_it_says(content: bytes, member: zipfile.ZipInfo) -> bool:
    """Unpack a member piece by piece, keeping none: whoever reads it later trusts the directory."""
    try:
        name, extra = struct.unpack_from("<HH", content, member.header_offset + 26)
        begin = member.header_offset + 30 + name + extra
        packed: bytes | memoryview = memoryview(content)[begin : begin + member.compress_size]
        if member.compress_type == zipfile.ZIP_STORED:
            return len(packed) == member.file_size
        inflating, found = zlib.decompressobj(-15), 0
        while packed and found <= member.file_size:
            found += len(inflating.decompress(packed, PIECE))
            packed = inflating.unconsumed_tail
    except (struct.error, zlib.error):
        return False
    return member.compress_type == zipfile.ZIP_DEFLATED and found == member.file_size


def _corrupt(digest: str, found: str) -> CorruptError:
    return CorruptError(
        f"Loading artifact {digest[:12]}: {found}. It was not loaded and what serves stays. "
        "Restore the file from a backup, or train again.",
        code="artifact_corrupt",
    )


def _write(path: Path, content: bytes, mode: int = 0o440) -> None:
    """Write a file whole or not at all; one that holds the same already is left as it is."""
    if path.exists() and path.read_bytes() == content:
        return
    part = path.with_name(path.name + ".part")
    with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    part.rename(path)
