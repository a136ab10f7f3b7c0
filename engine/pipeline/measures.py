"""Everything that is measured of a look, in the order in which people read it."""

from engine.pipeline import drifting, estimating, quality, realised, slices
from engine.pipeline.look import Look
from engine.pipeline.site import Site
from engine.store.scores import Score

MEASURES = (
    drifting.measured,
    realised.measured,
    realised.business,
    slices.measured,
    quality.measured,
    estimating.measured,
)


def measured(site: Site, look: Look) -> list[Score]:
    """Measure everything of a look that the raw rows alone decide."""
    return [score for measure in MEASURES for score in measure(site, look)]
