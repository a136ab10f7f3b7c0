"""What crosses the prediction port, and the one shape of every error."""

import msgspec

Scalar = bool | int | float | str | None

# What one request to the prediction port may hold.
MAX_ROWS = 1000
MAX_BODY = 2**20


class ErrorBody(msgspec.Struct, frozen=True):
    """What went wrong: a stable code, a sentence with the next step, the culprit's name."""

    code: str
    message: str
    field: str | None = None


class ErrorAnswer(msgspec.Struct, frozen=True):
    """The one shape of every error, on both ports and on stderr."""

    error: ErrorBody


class PredictRow(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One row to predict; `ts` is when the event is, `id` joins the label later."""

    features: dict[str, Scalar]
    id: str | None = None
    ts: str | None = None


class PredictRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v1/models/{model}/predict."""

    rows: list[PredictRow]


class Prediction(msgspec.Struct, frozen=True, omit_defaults=True):
    """One answer: `score` for binary, `probabilities` for multiclass, `value` for regression."""

    id: str | None
    version: str
    prediction_id: str
    score: float | None = None
    probabilities: dict[str, float] | None = None
    value: float | None = None
    decision: bool | str | None = None
    safe_mode: bool = False
    flags: list[str] = []


class PredictAnswer(msgspec.Struct, frozen=True):
    """Answer of predict; `logged` means the records were handed to the kernel."""

    model: str
    generation: int
    logged: bool
    predictions: list[Prediction]


class Label(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """One outcome; `ts` is when it became known, None for `value` means it will never come."""

    id: str
    ts: str
    value: bool | int | float | str | None


class LabelsRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Body of POST /v1/models/{model}/labels."""

    labels: list[Label]


class LabelsAnswer(msgspec.Struct, frozen=True):
    """Answer of labels, sent after fdatasync."""

    model: str
    accepted: int
