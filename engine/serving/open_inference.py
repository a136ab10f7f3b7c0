"""The Open Inference Protocol v2 in terms of our own rows: one named tensor per feature."""

import math
from typing import Any

import msgspec

from engine.domain.schema import Kind
from engine.errors import InvalidError
from engine.serving.bodies import MAX_ROWS, check_id, read
from engine.serving.slots import Slot
from engine.wire import PredictAnswer, PredictRequest, PredictRow, Scalar

DATATYPES = {Kind.NUMERIC: "FP64", Kind.BOOLEAN: "BOOL", Kind.CATEGORICAL: "BYTES"}
ACCEPTED = ("FP64", "FP32", "INT64", "BOOL", "BYTES")


class InferInput(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One feature: `n` values, written flat or as n lists of one."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Scalar | list[Scalar]]
    parameters: dict[str, Scalar] = {}


class InferOutputWanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """An output tensor that the client names; all are sent in any case."""

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


def read_infer(body: bytes) -> tuple[str | None, PredictRequest]:
    """Read a body into its request id and rows; one row takes the request's id as its own."""
    request = read(body, _decoder)
    if request.id is not None:
        check_id(request.id, "id")
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
    names = list(columns)
    rows = [dict(zip(names, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    return request.id, PredictRequest(
        [PredictRow(row, id=request.id if size == 1 else None) for row in rows]
    )


def infer_answer(request_id: str | None, answer: PredictAnswer) -> InferAnswer:
    """Write our answer as output tensors."""
    rows = answer.predictions
    size = len(rows)
    outputs = []
    if rows[0].probabilities is not None:
        classes = list(rows[0].probabilities)
        flat = [p for row in rows for p in (row.probabilities or {}).values()]
        outputs.append(InferOutput("probabilities", "FP64", [size, len(classes)], flat))
    elif rows[0].value is not None:
        outputs.append(InferOutput("value", "FP64", [size], [row.value for row in rows]))
    else:
        outputs.append(InferOutput("score", "FP64", [size], [row.score for row in rows]))
    if rows[0].decision is not None:
        kind = "BOOL" if isinstance(rows[0].decision, bool) else "BYTES"
        outputs.append(InferOutput("decision", kind, [size], [row.decision for row in rows]))
    outputs.append(InferOutput("version", "BYTES", [size], [row.version for row in rows]))
    outputs.append(
        InferOutput("prediction_id", "BYTES", [size], [row.prediction_id for row in rows])
    )
    versions = {row.version for row in rows}
    return InferAnswer(
        answer.model,
        outputs,
        {"generation": answer.generation, "logged": answer.logged},
        request_id,
        versions.pop() if len(versions) == 1 else None,
    )


def metadata(slot: Slot) -> dict[str, Any]:
    """Describe a model by the contract of its champion."""
    manifest = slot.champion.loaded.manifest
    inputs = [
        {"name": f.name, "datatype": DATATYPES[f.kind], "shape": [-1]}
        for f in slot.champion.loaded.schema.features
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


def _column(tensor: InferInput) -> list[Scalar]:
    """Return the values of a tensor of shape [n] or [n, 1]."""
    if tensor.datatype not in ACCEPTED:
        raise _wrong(tensor.name, f'datatype "{tensor.datatype[:20]}"', f"Use one of {ACCEPTED}.")
    values: list[Scalar] = []
    for item in tensor.data:
        if isinstance(item, list):
            values += item
        else:
            values.append(item)
    shape = tensor.shape
    if shape not in ([len(values)], [len(values), 1]):
        raise _wrong(
            tensor.name, f"shape {shape!r:.40} with {len(values)} values", "Use [n] or [n, 1]."
        )
    for value in values:
        if not _is(tensor.datatype, value):
            raise _wrong(tensor.name, f"{value!r:.40}", f"{tensor.datatype} is expected.")
    return values


def _is(datatype: str, value: Scalar) -> bool:
    if value is None:
        return True
    if datatype == "BYTES":
        return isinstance(value, str)
    if datatype == "BOOL" or isinstance(value, bool):
        return datatype == "BOOL" and isinstance(value, bool)
    if datatype == "INT64":
        return isinstance(value, int) and -(2**63) <= value < 2**63
    return isinstance(value, int) or (isinstance(value, float) and math.isfinite(value))


def _wrong(field: str, found: str, advice: str) -> InvalidError:
    return InvalidError(
        f'Reading the tensor "{field[:80]}": found {found}. {advice}',
        code="wrong_tensor",
        field=field[:80],
    )
