"""What versions of a model are made by as it stands beside cdml.toml; what was last seen of it."""

from engine.pipeline import recipe_source, transform_source
from engine.pipeline.site import Site

RECIPE, TRANSFORMATION = "recipe", "transformation"


def now(site: Site, model: str, what: str) -> str:
    """Return the name of a recipe or a transformation, and after it the digest of its source."""
    root, settings = site.workspace.root, site.settings.models[model]
    if what == TRANSFORMATION:
        return transform_source.digest(root, settings.transform) or "none"
    return f"{settings.recipe} {recipe_source.digest(root, settings.recipe) or ''}".rstrip()


def seen(site: Site, model: str, what: str) -> str | None:
    """Return what was last seen; None before the first time."""
    return site.ledger.meta(f"{what} {model}")


def see(site: Site, model: str, what: str) -> None:
    """Keep how it stands now as seen: nothing trains because of it any more."""
    site.ledger.set_meta(f"{what} {model}", now(site, model, what))
