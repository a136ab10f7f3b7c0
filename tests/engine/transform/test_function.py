"""A function of the user's own: sealed text, columns in and out, its faults in a sentence."""

from typing import Any

import numpy as np
import pytest

from engine.domain.schema import Kind
from engine.errors import CorruptError, InvalidError
from engine.transform import proof
from engine.transform.columns import RowError
from engine.transform.sealed import Source, source
from engine.transform.transformation import Transformation

KINDS = {"wind": Kind.NUMERIC, "carrier": Kind.CATEGORICAL, "wet": Kind.BOOLEAN}
ROWS = [
    {"wind": 1.5, "carrier": "AA", "wet": True},
    {"wind": 2.0, "carrier": "b6", "wet": False},
    {"wind": 4.0, "carrier": "AA", "wet": True},
]


def of(body: str, head: str = "import numpy as np\n") -> Transformation:
    text = f"{head}def made(columns):\n" + "".join(f"    {line}\n" for line in body.split("\n"))
    return Transformation(source("python", "late:made", text), KINDS)


def proven(body: str) -> dict[str, Any]:
    return proof.proven(of(body), proof.probes(ROWS, list(KINDS)))


def test_columns_of_each_kind_come_out_and_nulls_with_them() -> None:
    found = proven(
        "low = [None if c is None else c.lower() for c in columns['carrier']]\n"
        "return {**columns, 'twice': columns['wind'] * 2, 'low': low, 'high': columns['wind'] > 1}"
    )
    np.testing.assert_array_equal(found["twice"][:3], [3.0, 4.0, 8.0])
    assert np.isnan(found["twice"][3])
    assert found["low"].tolist()[:5] == ["aa", "b6", "aa", "aa", None]
    assert found["high"].tolist()[:3] == [True, True, True]


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("return {'x': columns['wind'] - columns['wind'].mean()}", "alone and among"),
        ("return {'x': np.arange(len(columns['wind'])) * 1.0}", "alone and among the others"),
        (
            "x = columns['wind']\nreturn {'x': x if len(x) == 1 else np.cumsum(x)}",
            'column "x" of probe rows',
        ),
        ("columns['wind'][:] = 0\nreturn {'x': columns['wind']}", "it changes a column"),
        ("columns['wind'] += 1\nreturn {'x': columns['wind']}", "it changes a column"),
        ("return {'x': columns['carrier'].nosuch()}", "it raised AttributeError"),
        ("return {'x': [c.lower() for c in columns['carrier']]}", "it raised AttributeError"),
        ("return {'x': columns['windd']}", "it raised KeyError: 'windd'"),
        ("return {'x': columns['wind'][:-1]}", 'column "x" has the shape'),
        ("return {'x': np.zeros((len(columns['wind']), 2))}", 'column "x" has the shape'),
        ("return {'x': 1.0}", 'column "x" is float. Return a NumPy array or a list'),
        ("return {'x': columns['wind'].astype('datetime64[s]')}", 'column "x" is datetime64[s]'),
        ("return {'x': [1.0, 'a'] * 3 + [None]}", 'column "x" holds float, str'),
        ("return {}", "there is no column among what it returned"),
        ("return None", "it returned NoneType. Return a dict"),
        ("return columns", "it returned what it was given"),
        ("raise ValueError('too windy')", "it cannot take the row"),
        ("return {'a\\nb': columns['wind']}", "a column is called"),
    ],
)
def test_what_a_function_does_wrong_is_said_in_a_sentence(body: str, said: str) -> None:
    with pytest.raises(InvalidError) as found:
        proven(body)
    assert said in found.value.message
    assert '"late:made"' in found.value.message


@pytest.mark.parametrize(
    ("head", "said"),
    [
        ("def made(:\n", "SyntaxError"),
        ("import nosuchmodule\n", "ModuleNotFoundError"),
        ("1 / 0\n", "ZeroDivisionError"),
    ],
)
def test_a_file_that_cannot_be_run_is_named_with_why(head: str, said: str) -> None:
    with pytest.raises(InvalidError, match=said):
        of("return {}", head)


def test_a_function_that_its_file_has_not_is_named() -> None:
    with pytest.raises(InvalidError, match='its file has no function "other"'):
        Transformation(source("python", "late:other", "x = 1\n"), KINDS)


def test_a_row_that_a_function_refuses_is_the_rows_fault_and_named() -> None:
    one = of(
        "if (columns['wind'] > 3).any():\n    raise ValueError('too windy')\n"
        "return {'x': columns['wind'] * 1}"
    )
    with pytest.raises(RowError) as found:
        one({name: [row[name] for row in ROWS] for name in KINDS})
    assert (found.value.at, found.value.said) == (2, "ValueError: too windy")


def test_two_sealed_texts_of_one_name_live_side_by_side_and_an_edited_one_is_not_run() -> None:
    rows = {name: [row[name] for row in ROWS] for name in KINDS}
    one = of("return {'x': columns['wind'] * K}", "K = 2.0\n")
    two = of("return {'x': columns['wind'] * K}", "K = 3.0\n")
    assert one(rows)[1]["x"].tolist() == [3.0, 4.0, 8.0]
    assert two(rows)[1]["x"].tolist() == [4.5, 6.0, 12.0]
    sealed = one.source
    edited = Source(sealed.kind, sealed.name, sealed.text.replace("2.0", "9.0"), sealed.digest)
    with pytest.raises(CorruptError, match="does not have the recorded digest"):
        Transformation(edited, KINDS)


def test_one_that_keeps_clients_waiting_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof, "LONGEST_S", 0.0)
    with pytest.raises(InvalidError, match="ms for one row, at most 0 ms are allowed"):
        proven("return {'x': columns['wind'] * 1}")
