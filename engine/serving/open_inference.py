"""The Open Inference Protocol v2 in terms of our own rows: one named tensor per feature."""

from collections.abc import Sequence
from typing import Any

import msgspec

from engine.domain.schema import Kind
from engine.errors import InvalidError
from engine.serving.answers import Reply
from engine.serving.asked import AskedColumns
from engine.serving.bodies import check_id, check_keys, read
from engine.serving.slots import Slot
from engine.wire import MAX_ROWS, Scalar

DATATYPES = {Kind.NUMERIC: "FP64", Kind.BOOLEAN: "BOOL", Kind.CATEGORICAL: "BYTES"}
_NUMBERS: frozenset[type] = frozenset((float, int, type(None)))
ACCEPTED: dict[str, frozenset[type]] = {  # what JSON may hold for it; null is a missing value
    "FP64": _NUMBERS,
    "FP32": _NUMBERS,
    "INT64": frozenset((int, type(None))),
    "BOOL": frozenset((bool, type(None))),
    "BYTES": frozenset((str, type(None))),
}


class InferInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature: `n` values, written flat or as n lists of one."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Scalar | list[Scalar]]
    parameters: dict[str, Scalar] = {}


class InferOutputWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output tensor that the client names; all are sent: each answer says who gave it."""

    name: str
    parameters: dict[str, Scalar] = {}


class InferRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v2/models/{model}/infer."""

    inputs: list[InferInput]
    id: str | None = None
    parameters: dict[str, Scalar] = {}
    outputs: list[InferOutputWanted] = []


class InferOutput(msgspec.Struct, frozen=True):
    """One output tensor, flat, row by row."""

    name: str
    datatype: str
    shape: list[int]
    data: list[Any]


class InferAnswer(msgspec.Struct, frozen=True, omit_defaults=True):
    """Answer of infer; `model_version` only where one version answered all rows."""

    model_name: str
    outputs: list[InferOutput]
    parameters: dict[str, Scalar]
    id: str | None = None
    model_version: str | None = None


_decoder = msgspec.json.Decoder(InferRequest)


def read_infer(body: bytes) -> tuple[str | None, AskedColumns]:
    """Read a body into its request id and rows; one row takes the request's id as its own."""
    request = _request(body)
    if request.id is not None:
        check_id(request.id, "id")
    check_keys(body, _colons(request))
    columns: dict[str, list[Scalar]] = {}
    for tensor in request.inputs:
        if tensor.name in columns:
            raise _wrong(tensor.name, "it stands twice", "Send each feature once.")
        columns[tensor.name] = _column(tensor)
    sizes = {len(column) for column in columns.values()}
    if len(sizes) != 1 or not 0 < (size := sizes.pop()) <= MAX_ROWS:
        raise _wrong(
            "inputs", f"{len(columns)} tensors", f"Send 1 to {MAX_ROWS} rows, equally many in each."
        )
    return request.id, AskedColumns(columns, [request.id] if size == 1 else [None] * size)


def _colons(request: InferRequest) -> int:
    """Return how many colons its keys have at most; one more may be of a key that stands twice."""
    told = [t.parameters for t in request.inputs] + [t.parameters for t in request.outputs]
    told.append(request.parameters)
    return (
        1 + bool(request.outputs) + (0 if request.id is None else 1 + request.id.count(":"))
        + 4 * len(request.inputs) + len(request.outputs)
        + sum(1 + len(found) for found in told if found)
    )  # fmt: skip


def infer_answer(request_id: str | None, reply: Reply) -> InferAnswer:
    """Write a reply as output tensors, in the order of the rows."""
    manifest = reply.parts[-1].arm.served.manifest
    if manifest.task == "multiclass":
        classes = _classes(reply)
        outputs = [_tensor(reply, "probabilities", "FP64", _probabilities(reply, classes))]
    else:
        name = "score" if manifest.task == "binary" else "value"
        answers = [[answer[0] for answer in part.answers] for part in reply.parts]
        outputs = [_tensor(reply, name, "FP64", answers)]
    if manifest.task != "regression":
        kind = "BOOL" if manifest.task == "binary" else "BYTES"
        outputs.append(_tensor(reply, "decision", kind, [part.decisions for part in reply.parts]))
    names = [[part.arm.served.version] * len(part.answers) for part in reply.parts]
    ids = [part.prediction_ids for part in reply.parts]
    outputs += [
        _tensor(reply, "version", "BYTES", names),
        _tensor(reply, "prediction_id", "BYTES", ids),
    ]
    versions = {part.arm.served.version for part in reply.parts}
    return InferAnswer(
        reply.model,
        outputs,
        _parameters(reply),
        request_id,
        versions.pop() if len(versions) == 1 else None,
    )


def _tensor(
    reply: Reply, name: str, datatype: str, columns: Sequence[Sequence[Any]]
) -> InferOutput:
    """Put each part's entries back to their rows; an entry that is a list is a row of a matrix."""
    if len(reply.parts) == 1:
        entries = list(columns[0])
    else:
        entries = [None] * len(reply.ids)
        for part, column in zip(reply.parts, columns, strict=True):
            for place, value in zip(part.arm.rows.places, column, strict=True):
                entries[place] = value
    if isinstance(entries[0], list):
        shape = [len(entries), len(entries[0])]
        return InferOutput(name, datatype, shape, [value for row in entries for value in row])
    return InferOutput(name, datatype, [len(entries)], entries)


def _classes(reply: Reply) -> list[str]:
    """Return every class that one of the versions knows, in the order of the last part's."""
    return list(
        dict.fromkeys(c for part in reply.parts[::-1] for c in part.arm.served.manifest.classes)
    )


def _probabilities(reply: Reply, classes: list[str]) -> list[list[list[float]]]:
    """Return rows x classes for each part; a class that its version does not know has 0."""
    found = []
    for part in reply.parts:
        own = part.arm.served.manifest.classes
        places = [own.index(name) if name in own else None for name in classes]
        found.append([[0.0 if at is None else row[at] for at in places] for row in part.answers])
    return found


def _parameters(reply: Reply) -> dict[str, Scalar]:
    found: dict[str, Scalar] = {"generation": reply.generation, "logged": reply.logged}
    flags = [
        (part.arm.rows.places[at], name)
        for part in reply.parts
        for at, names in part.arm.rows.flags.items()
        for name in names
    ]
    if flags:
        found["flags"] = " ".join(f"{place}:{name}" for place, name in sorted(flags))
    if any(part.arm.served.manifest.safe_mode for part in reply.parts):
        found["safe_mode"] = True
    return found


def metadata(slot: Slot) -> dict[str, Any]:
    """Describe a model by the contract of its champion."""
    manifest = slot.champion.manifest
    inputs = [
        {"name": f.name, "datatype": DATATYPES[f.kind], "shape": [-1]}
        for f in manifest.schema().features
    ]
    outputs: list[dict[str, Any]] = []
    if manifest.task == "multiclass":
        shape = [-1, len(manifest.classes)]
        outputs.append({"name": "probabilities", "datatype": "FP64", "shape": shape})
    else:
        name = "score" if manifest.task == "binary" else "value"
        outputs.append({"name": name, "datatype": "FP64", "shape": [-1]})
    if manifest.task != "regression":
        kind = "BOOL" if manifest.task == "binary" else "BYTES"
        outputs.append({"name": "decision", "datatype": kind, "shape": [-1]})
    outputs += [
        {"name": name, "datatype": "BYTES", "shape": [-1]} for name in ("version", "prediction_id")
    ]
    return {
        "name": slot.model,
        "versions": [s.version for s in (slot.champion, slot.canary) if s],
        "platform": "cdml_scikit-learn",
        "inputs": inputs,
        "outputs": outputs,
    }


def _request(body: bytes) -> InferRequest:
    try:
        return read(body, _decoder)
    except InvalidError:
        if b'"binary_data_size"' not in body:
            raise
        found = "binary data after the JSON"
        raise _wrong("inputs", found, "Send the values as JSON: binary_data=False.") from None


def _column(tensor: InferInput) -> list[Scalar]:
    """Return the values of a tensor of shape [n] or [n, 1], written flat or as lists of one."""
    if tensor.datatype not in ACCEPTED:
        raise _wrong(
            tensor.name, f'datatype "{tensor.datatype[:20]}"', f"Use one of {', '.join(ACCEPTED)}."
        )
    values: list[Any] = tensor.data
    if any(type(value) is list for value in values):
        values = [v for item in values for v in (item if isinstance(item, list) else [item])]
    shape = tensor.shape
    if shape not in ([len(values)], [len(values), 1]):
        raise _wrong(
            tensor.name, f"shape {shape!r:.40} with {len(values)} values", "Use [n] or [n, 1]."
        )
    fitting = ACCEPTED[tensor.datatype]
    if not fitting.issuperset(map(type, values)):
        other = next(value for value in values if type(value) not in fitting)
        raise _wrong(tensor.name, f"{other!r:.40}", f"{tensor.datatype} is expected.")
    return values


def _wrong(field: str, found: str, advice: str) -> InvalidError:
    return InvalidError(
        f'Reading the tensor "{field[:80]}": found {found}. {advice}',
        code="wrong_tensor",
        field=field[:80],
    )
