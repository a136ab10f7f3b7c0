"""The OpenAPI document tells the truth: requests made from it, answers held against it."""

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

import httpx
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis import GenerationMode, checks

from tests.box import Box

POSITIVE, NEGATIVE = GenerationMode.POSITIVE, GenerationMode.NEGATIVE
LIMITS = settings(
    max_examples=30,
    derandomize=True,
    deadline=None,
    database=None,
    phases=[Phase.generate],
    suppress_health_check=list(HealthCheck),
)
CHECKS = [
    checks.not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
FEATURES = {"wind": "number", "kind": "string", "hour": "integer"}
TENSORS = {"number": "FP64", "string": "BYTES", "integer": "INT64"}


def tensor(name: str, kind: str) -> dict[str, Any]:
    """Describe an input tensor of one row."""
    properties = {
        "name": {"const": name},
        "shape": {"const": [1]},
        "datatype": {"const": TENSORS[kind]},
        "data": {"type": "array", "items": {"type": kind}, "minItems": 1, "maxItems": 1},
    }
    return closed(properties)


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    """Describe an object that has these properties and no other."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def about_late(document: dict[str, Any], *, rows: bool) -> dict[str, Any]:
    """Let the document speak of the box's model alone; with `rows` of nothing but its own rows."""
    for path in document["paths"].values():
        for operation in path.values():
            for parameter in operation["parameters"]:
                if parameter["in"] == "path":
                    parameter["schema"] = {"const": "late"}
    parts = document["components"]["schemas"]
    tensors = [tensor(name, kind) for name, kind in FEATURES.items()]
    moment = {"type": "string", "format": "date-time"}
    own = {
        ("PredictRow", "features"): closed(
            {name: {"type": kind} for name, kind in FEATURES.items()}
        ),
        ("PredictRow", "ts"): moment,
        ("PredictRow", "id"): {"type": "string", "minLength": 1},
        ("InferRequest", "inputs"): {"type": "array", "prefixItems": tensors, "minItems": 3},
        ("InferRequest", "id"): {"type": "string", "minLength": 1},
        ("Label", "id"): {"type": "string", "minLength": 1},
        ("Label", "ts"): moment,
        ("Label", "value"): {"type": ["boolean", "null"]},
    }
    for (part, field), better in own.items() if rows else ():
        parts[part]["properties"][field] = better
    return document


def cases(document: dict[str, Any], url: str, mode: GenerationMode) -> Iterator[Any]:
    """Yield every operation of a document with the requests that are made from it."""
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=url)
    for found in schema.get_all_operations():
        operation = found.ok()
        if (
            mode.is_positive or operation.method == "post"
        ):  # a GET takes nothing that could be wrong
            yield operation, operation.as_strategy(generation_mode=mode)


def hold(operation: Any, requests: Any, seen: Counter[str]) -> None:
    """Send requests and hold every answer against the document; count them by status."""

    @LIMITS
    @given(case=requests)
    def conforms(case: Any) -> None:
        answer = case.call()
        seen[f"{operation.path} {answer.status_code}"] += 1
        case.validate_response(answer, checks=CHECKS)

    conforms()


def test_every_answer_is_one_that_the_document_promises(box: Box) -> None:
    url = f"http://127.0.0.1:{box.port}"
    text = httpx.get(f"{url}/openapi.json").raise_for_status().text
    seen: Counter[str] = Counter()
    for rows, mode in ((True, POSITIVE), (False, POSITIVE), (True, NEGATIVE)):
        for operation, requests in cases(about_late(json.loads(text), rows=rows), url, mode):
            hold(operation, requests, seen)
    for path in (
        "v1/models/{model}/predict",
        "v1/models/{model}/labels",
        "v2/models/{model}/infer",
    ):
        for status in (200, 400, 404, 422):
            assert seen[f"/{path} {status}"] > 0, seen
    assert seen.total() > 200
    assert box.predict()[0] == 200
