"""The /v1 dialect of predicting: rows in, a prediction for each out."""

from operator import itemgetter

import msgspec

from engine.serving.answers import Answered, Reply
from engine.serving.asked import AskedRows
from engine.serving.bodies import bad_count, check_id, check_keys, read
from engine.wire import MAX_ROWS, PredictAnswer, Prediction, PredictRequest

_decoder = msgspec.json.Decoder(PredictRequest)


def read_predict(body: bytes) -> AskedRows:
    """Read the body of predict; InvalidError names what is wrong."""
    rows = read(body, _decoder).rows
    if not 0 < len(rows) <= MAX_ROWS:
        raise bad_count("rows", len(rows), MAX_ROWS)
    colons = 1
    for row in rows:
        colons += 1 + len(row.features)
        if row.id is not None:
            check_id(row.id, "id")
            colons += 1 + row.id.count(":")
        if row.ts is not None:
            colons += 1 + row.ts.count(":")
    check_keys(body, colons)
    return AskedRows(rows)


def predict_answer(reply: Reply) -> PredictAnswer:
    """Write a reply as the answer of predict, in the order of the rows."""
    predictions = [
        (place, _prediction(reply, part, at))
        for part in reply.parts
        for at, place in enumerate(part.arm.rows.places)
    ]
    if len(reply.parts) > 1:
        predictions.sort(key=itemgetter(0))
    return PredictAnswer(reply.model, reply.generation, reply.logged, [p for _, p in predictions])


def _prediction(reply: Reply, part: Answered, at: int) -> Prediction:
    served, rows, answer = part.arm.served, part.arm.rows, part.answers[at]
    manifest = served.manifest
    return Prediction(
        reply.ids[rows.places[at]],
        served.version,
        part.prediction_ids[at],
        score=answer[0] if manifest.task == "binary" else None,
        probabilities=(
            dict(zip(manifest.classes, answer, strict=True))
            if manifest.task == "multiclass"
            else None
        ),
        value=answer[0] if manifest.task == "regression" else None,
        decision=part.decisions[at],
        safe_mode=manifest.safe_mode,
        flags=rows.flags.get(at, []),
    )
