"""Labels that come later than their rows, beside the same trusted reference as delivered rows."""

from collections.abc import Sequence

import numpy as np

from engine.domain.acceptance import Verdict, judged
from engine.pipeline import poisoning, train, waiting, yardstick
from engine.pipeline.site import Site
from engine.stats import outcomes
from engine.store import batches, logged
from engine.store.logged import ID, TIME
from engine.wire import Label


def vet(site: Site, model: str, labels: Sequence[Label]) -> Verdict:
    """Judge labels by what was asked under their ids; those of unknown ids are not judged."""
    settings = site.model(model)
    of = yardstick.columns_of(settings, batches.columns(site.store, model))
    accepted = train.accepted(site, model)
    known = yardstick.history(site, model, of, accepted) if accepted else None
    by = poisoning.trusted_of(site, model, of, accepted, known)
    value = {label.id: label.value for label in labels if label.value is not None}
    if by is None or not value:
        return judged([])
    table = logged.features(site.store, model, list(value), by.types)
    if not len(table[ID]):
        return judged([])
    names = [outcomes.class_name(value[one]) for one in table[ID]]
    table[of.target] = np.array(names, dtype=object)
    new = by.reference.judged(table, list(by.types), of.target, TIME, ID)
    return judged(
        [
            *poisoning.unexpected(of, by.reference, [new]),
            *poisoning.triggers(of, by.reference, list(by.types), new),
        ],
        waiting.eased(site, model, batches.known(site.store, model)),
    )
