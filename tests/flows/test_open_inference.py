"""The Open Inference Protocol as NVIDIA's client speaks it: a program that we did not write."""

import contextlib
from collections.abc import Iterator
from typing import Any

import httpx
import numpy as np
import pytest
from tritonclient.http import InferenceServerClient, InferInput, InferRequestedOutput
from tritonclient.utils import InferenceServerException

from tests.box import FIRST, Box, deliver, eventually, initialised

OUTPUTS = ("score", "decision", "version", "prediction_id")


@pytest.fixture(scope="module")
def wet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Return a running workspace whose model also takes true or false."""
    folder = tmp_path_factory.mktemp("wet")
    rows = deliver(folder / "first.csv", 1, FIRST).read_text().splitlines()
    wet = ["wet", *("true" if "b" in line else "false" for line in rows[1:])]
    first = folder / "wet.csv"
    first.write_text("\n".join(f"{cell},{line}" for cell, line in zip(wet, rows, strict=True)))
    box = initialised(folder, first)
    try:
        box.up()
        ready = f"http://127.0.0.1:{box.port}/v2/models/late/ready"
        eventually("v1 answers", lambda: httpx.get(ready).status_code == 200)
        yield box
    finally:
        box.end()


@pytest.fixture
def client(wet: Box) -> Iterator[InferenceServerClient]:
    """Return the client, connected to the prediction port."""
    with contextlib.closing(InferenceServerClient(f"127.0.0.1:{wet.port}")) as found:
        yield found


def tensor(name: str, datatype: str, values: list[Any], shape: list[int]) -> InferInput:
    """Return one input tensor in JSON."""
    dtype = {"FP64": np.float64, "INT64": np.int64, "BYTES": np.object_, "BOOL": np.bool_}
    found = InferInput(name, shape, datatype)
    array = np.array(values, dtype=dtype[datatype]).reshape(shape)
    return found.set_data_from_numpy(array, binary_data=False)


def inputs(rows: list[dict[str, Any]], shape: list[int], hour: str = "INT64") -> list[InferInput]:
    """Return rows as tensors, one for each feature."""
    kinds = {"wind": "FP64", "kind": "BYTES", "wet": "BOOL", "hour": hour}
    return [tensor(n, kind, [row[n] for row in rows], shape) for n, kind in kinds.items()]


def made(count: int) -> list[dict[str, Any]]:
    """Return rows."""
    return [
        {"wind": 5.5 + n % 9, "kind": "abc"[n % 3], "wet": n % 2 == 0, "hour": n % 24}
        for n in range(count)
    ]


def infer(client: InferenceServerClient, tensors: list[InferInput], **more: Any) -> Any:
    """Ask for every output in JSON."""
    wanted = [InferRequestedOutput(name, binary_data=False) for name in OUTPUTS]
    return client.infer("late", tensors, outputs=wanted, **more)


def test_health_and_metadata_are_what_the_client_expects(client: InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready("late")
    assert not client.is_model_ready("nosuch")
    assert client.get_server_metadata()["name"] == "cdml"
    found = client.get_model_metadata("late")
    assert (found["name"], found["versions"]) == ("late", ["v1"])
    assert {t["name"]: t["datatype"] for t in found["inputs"]} == {
        "wind": "FP64",
        "kind": "BYTES",
        "wet": "BOOL",
        "hour": "FP64",
    }
    assert [t["name"] for t in found["outputs"]] == list(OUTPUTS)
    assert all(t["shape"] == [-1] for t in found["inputs"] + found["outputs"])


@pytest.mark.parametrize(
    ("count", "shape", "hour"),
    [(1, [1], "INT64"), (1, [1, 1], "FP64"), (100, [100], "INT64"), (1000, [1000, 1], "FP64")],
)
def test_one_row_or_many_are_answered_as_over_the_other_dialect(
    wet: Box, client: InferenceServerClient, count: int, shape: list[int], hour: str
) -> None:
    rows = made(count)
    answer = infer(client, inputs(rows, shape, hour), request_id="r-1")
    whole = answer.get_response()
    assert (whole["id"], whole["model_name"], whole["model_version"]) == ("r-1", "late", "v1")
    status, ours = wet.predict(*({"features": row} for row in rows))
    assert status == 200
    score, decision = answer.as_numpy("score"), answer.as_numpy("decision")
    assert score.dtype == np.float64
    assert score.tolist() == pytest.approx([p["score"] for p in ours["predictions"]], abs=1e-12)
    assert decision.dtype == np.bool_
    assert decision.tolist() == [p["decision"] for p in ours["predictions"]]
    assert set(answer.as_numpy("version")) == {"v1"}
    assert len(set(answer.as_numpy("prediction_id"))) == count


def test_outputs_that_were_asked_for_in_binary_are_read_all_the_same(
    client: InferenceServerClient,
) -> None:
    answer = client.infer("late", inputs(made(3), [3]))
    assert answer.as_numpy("score").shape == (3,)
    assert answer.as_numpy("version").tolist() == ["v1"] * 3


def test_an_error_comes_out_of_the_client_with_our_words(client: InferenceServerClient) -> None:
    *others, hour = inputs(made(1), [1])
    for wrong in (
        [],
        [tensor("hour", "BYTES", ["seven"], [1])],
        [tensor("hour", "BOOL", [True], [1])],
    ):
        with pytest.raises(InferenceServerException, match="hour") as caught:
            infer(client, [*others, *wrong])
        assert caught.value.status() == "422"
    binary = InferInput("hour", [1], "INT64").set_data_from_numpy(np.array([7]))
    with pytest.raises(InferenceServerException, match="binary_data=False"):
        infer(client, [*others, binary])
    with pytest.raises(InferenceServerException, match="nosuch"):
        client.get_model_metadata("nosuch")
    assert infer(client, [*others, hour]).as_numpy("version").tolist() == ["v1"]
