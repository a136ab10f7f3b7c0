"""The OpenAPI document of the prediction port, made from the wire types."""

from typing import Any

import msgspec

from engine.serving.open_inference import InferAnswer, InferRequest
from engine.wire import ErrorAnswer, LabelsAnswer, LabelsRequest, PredictAnswer, PredictRequest

ERRORS = {
    "400": "The body is not JSON in UTF-8.",
    "401": "The request has no token that is known here.",
    "404": "There is no such model or path.",
    "405": "The path takes another method.",
    "408": "The body did not arrive in time.",
    "413": "The body is larger than 1 MiB.",
    "415": "The body is compressed.",
    "422": "A field is wrong; the error names it.",
    "429": "This client asks too often.",
    "503": "Nothing serves the model, the log cannot be written, or too much is in flight.",
}
MODEL = {
    "name": "model",
    "in": "path",
    "required": True,
    "schema": {"type": "string", "minLength": 1},
}
CLIENT = {"name": "x-client-id", "in": "header", "required": False, "schema": {"type": "string"}}
TEXT, TRUTH = {"type": "string"}, {"type": "boolean"}


def _list(of: dict[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": of}


def _object(**properties: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(properties)}


TENSORS = _list(_object(name=TEXT, datatype=TEXT, shape=_list({"type": "integer"})))
SERVER = _object(name=TEXT, version=TEXT, extensions=_list(TEXT))
LIVE = _object(live=TRUTH)
READY = _object(ready=TRUTH)
REFUSAL = _object(error=TEXT)  # as the Open Inference Protocol has it
MODEL_READY = _object(name=TEXT, ready=TRUTH)
ABOUT = _object(name=TEXT, versions=_list(TEXT), platform=TEXT, inputs=TENSORS, outputs=TENSORS)


def document(version: str) -> bytes:
    """Return the whole document as JSON."""
    bodies = [PredictRequest, LabelsRequest, InferRequest]
    answers = [PredictAnswer, LabelsAnswer, InferAnswer, ErrorAnswer]
    refs, components = msgspec.json.schema_components(
        [*bodies, *answers], ref_template="#/components/schemas/{name}"
    )
    by_type: dict[Any, dict[str, Any]] = dict(zip([*bodies, *answers], refs, strict=True))
    error = by_type[ErrorAnswer]

    def post(
        summary: str, takes: type, gives: type, error: dict[str, Any] = error
    ) -> dict[str, Any]:
        failures = {code: _answer(text, error) for code, text in ERRORS.items()}
        return {
            "post": {
                "summary": summary,
                "parameters": [MODEL, CLIENT],
                "requestBody": {"required": True, "content": _json(by_type[takes])},
                "responses": {"200": _answer("Done.", by_type[gives]), **failures},
            }
        }

    def get(
        summary: str, gives: dict[str, Any], unready: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        responses = {"200": _answer("Done.", gives)}
        if unready is not None:
            responses["503"] = _answer("Not ready.", unready)
        return {"get": {"summary": summary, "parameters": [], "responses": responses}}

    def of_model(path: dict[str, Any]) -> dict[str, Any]:
        path["get"]["parameters"] = [MODEL]
        return refusing(path, "404")

    def refusing(path: dict[str, Any], *codes: str) -> dict[str, Any]:
        for code in (*codes, "401", "429"):
            path["get"]["responses"][code] = _answer(ERRORS[code], REFUSAL)
        return path

    paths = {
        "/v1/models/{model}/predict": post("Predict rows.", PredictRequest, PredictAnswer),
        "/v1/models/{model}/labels": post("Send outcomes.", LabelsRequest, LabelsAnswer),
        "/v2": refusing(get("What this server is.", SERVER, REFUSAL)),
        "/v2/health/live": get("Whether the process answers.", LIVE),
        "/v2/health/ready": get("Whether every model answers.", READY, READY),
        "/v2/models/{model}": of_model(get("Inputs and outputs of a model.", ABOUT, REFUSAL)),
        "/v2/models/{model}/ready": of_model(
            get("Whether a model answers.", MODEL_READY, MODEL_READY)
        ),
        "/v2/models/{model}/infer": post(
            "Predict named tensors.", InferRequest, InferAnswer, REFUSAL
        ),
    }
    return msgspec.json.encode(
        {
            "openapi": "3.1.0",
            "info": {"title": "cdml prediction service", "version": version},
            "paths": paths,
            "components": {"schemas": components},
        }
    )


def _json(schema: dict[str, Any]) -> dict[str, Any]:
    return {"application/json": {"schema": schema}}


def _answer(text: str, schema: dict[str, Any]) -> dict[str, Any]:
    return {"description": text, "content": _json(schema)}
