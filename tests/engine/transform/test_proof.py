"""What training recorded of a transformation, a load computes again; a difference is named."""

import json
import os
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from engine.domain.contract import Contract
from engine.domain.schema import Feature, Kind, Schema
from engine.errors import CorruptError, InvalidError
from engine.transform import columns as forms
from engine.transform import proof
from engine.transform.contract import TransformedContract
from engine.transform.sealed import Sealed, source
from engine.transform.transformation import Transformation, derived_only

WIND = Feature("wind", Kind.NUMERIC, nullable=True, low=0.0, high=9.0)
CARRIER = Feature("carrier", Kind.CATEGORICAL, nullable=False, categories=("AA", "b6"))
RAW = Schema((WIND, CARRIER))
KINDS = {f.name: f.kind for f in RAW.features}
ROWS = [{"wind": 1.5, "carrier": "AA"}, {"wind": None, "carrier": "b6"}]
SQL = "select wind, 10 / nullif(wind, 0) as calm, lower(carrier) as low from rows"


def sealed(sql: str = SQL) -> Sealed:
    of = source("sql", "t.sql", sql)
    probes = proof.probes(ROWS, list(KINDS))
    made = proof.proven(Transformation(of, KINDS), probes)
    derived = [
        Feature("calm", Kind.NUMERIC, nullable=True, low=0.0, high=20.0),
        Feature("low", Kind.CATEGORICAL, nullable=False, categories=("aa", "b6")),
    ]
    columns = [forms.values(made[f.name]) for f in derived]
    return Sealed(of, ["wind"], derived, probes, columns)


def test_a_seal_survives_being_stored_and_proves_itself_again() -> None:
    again = msgspec.json.decode(msgspec.json.encode(sealed()), type=Sealed)
    assert again == sealed()
    assert len(again.probes) == len(ROWS) + len(KINDS) + 1
    proof.check_loaded(derived_only(again, KINDS), again)


def test_another_column_than_recorded_names_its_rows() -> None:
    one = sealed()
    calm, low = one.columns
    other = msgspec.structs.replace(one, columns=[[*calm[:1], 5.0, *calm[2:]], low])
    with pytest.raises(CorruptError, match='column "calm" of probe rows 2') as found:
        proof.check_loaded(derived_only(other, KINDS), other)
    assert found.value.code == "transform_mismatch"


def contract(flag: str = "") -> Contract:
    one = sealed(flag or SQL)
    return TransformedContract(RAW, one, derived_only(one, KINDS))


def test_a_contract_gives_the_kept_columns_then_the_derived_ones_with_the_flags_of_both() -> None:
    read = contract().read({"wind": [2.0, 0.1], "carrier": ["AA", "UA"]})
    assert read.columns[0] == [2.0, 0.1]
    assert read.columns[1] == [5.0, 100.0]
    assert read.columns[2][0] == 0.0
    assert read.columns[2][1] != read.columns[2][1]
    assert read.flags == {1: ["unseen:carrier", "range:calm", "unseen:low"]}


def test_what_clients_send_is_checked_by_the_raw_contract_first() -> None:
    with pytest.raises(InvalidError, match='Reading feature "carrier" of row 1: found null'):
        contract().read({"wind": [2.0], "carrier": [None]})


def test_a_derived_null_that_training_never_saw_is_refused_or_flagged() -> None:
    never = "select wind, coalesce(wind, 1) * 2 as calm, nullif(carrier, 'b6') as low from rows"
    rows = {"wind": [1.0, 2.0], "carrier": ["AA", "b6"]}
    with pytest.raises(InvalidError, match='Reading derived column "low" of row 2: found null'):
        contract(never).read(rows)
    assert contract(never).read(rows, flag_nulls=True).flags == {
        0: ["unseen:low"],
        1: ["null:low"],
    }


def test_a_row_that_cannot_be_transformed_is_named_by_its_place_in_the_request() -> None:
    hard = "select wind, cast(carrier as double) as calm, lower(carrier) as low from rows"
    of, seal = source("sql", "t.sql", hard), sealed()
    one = msgspec.structs.replace(seal, source=of)
    made = TransformedContract(RAW, one, derived_only(one, KINDS))
    with pytest.raises(InvalidError, match="Transforming row 8 by") as found:
        made.read({"wind": [1.0, 1.0], "carrier": ["7", "x"]}, places=[3, 7])
    assert found.value.code == "untransformable"


def test_a_function_that_breaks_at_serving_is_the_versions_fault() -> None:
    text = "def made(columns):\n    return {'low': columns['carrier'].nosuch()}\n"
    one = msgspec.structs.replace(sealed(), source=source("python", "late:made", text))
    made = TransformedContract(RAW, one, derived_only(one, KINDS))
    with pytest.raises(CorruptError, match="it raised AttributeError") as found:
        made.read({"wind": [1.0], "carrier": ["AA"]})
    assert found.value.code == "broken_transform"


SKEWED = """
import json, sys, msgspec
from engine.errors import CdmlError
from engine.transform import proof
from engine.transform.sealed import Sealed
from engine.transform.transformation import derived_only
from engine.domain.schema import Kind
one = msgspec.json.decode(sys.stdin.buffer.read(), type=Sealed)
kinds = {"wind": Kind.NUMERIC, "carrier": Kind.CATEGORICAL}
try:
    proof.check_loaded(derived_only(one, kinds), one)
except CdmlError as e:
    print(json.dumps([e.code, e.message]))
"""


def test_what_another_process_computes_otherwise_is_found_when_it_loads(tmp_path: Path) -> None:
    text = (
        "def made(columns):\n"
        "    return {'low': [None if c is None else hash(c) % 1000003 for c in columns['carrier']]}"
    )
    of = source("python", "late:made", text)
    probes = proof.probes(ROWS, list(KINDS))
    found = proof.proven(Transformation(of, KINDS), probes)["low"]
    derived = [Feature("low", Kind.NUMERIC, nullable=True)]
    seal = Sealed(of, [], derived, probes, [forms.values(found)])
    elsewhere = subprocess.run(
        [sys.executable, "-c", SKEWED], input=msgspec.json.encode(seal), capture_output=True,
        env={**os.environ, "PYTHONHASHSEED": "4711", "PYTHONPATH": str(Path.cwd())}, check=True,
    )  # fmt: skip
    code, said = json.loads(elsewhere.stdout)
    assert code == "transform_mismatch"
    assert 'column "low" of probe rows 1, 2' in said
    assert "use no hash()" in said
