"""References, frozen with a version: of each feature, its answers, its labels, and their weights.

Parts: feature, score, label, slice, months (a feature's training rows by calendar month) and
importance.
"""

from engine.store.connection import Store

FEATURE = "feature"


def keep(
    store: Store, model: str, version: str, profiles: dict[str, str], part: str = FEATURE
) -> None:
    """Freeze one part of a version, as JSON text by name; what was counted by it is forgotten."""
    with store.write() as db:
        db.execute(
            "delete from profiles where model = ? and version = ? and part = ?",
            [model, version, part],
        )
        for name, profile in profiles.items():
            db.execute(
                "insert into profiles (model, version, name, profile, part) values (?, ?, ?, ?, ?)",
                [model, version, name, profile, part],
            )
        for table in ("hours", "days", "stillness"):
            db.execute(f"delete from {table} where model = ? and version = ?", [model, version])


def of(store: Store, model: str, version: str, part: str = FEATURE) -> dict[str, str]:
    """Return one frozen part of a version, JSON text by name, in the order of the names."""
    with store.read() as db:
        found = db.execute(
            "select name, profile from profiles where model = ? and version = ? and part = ? "
            "order by name",
            [model, version, part],
        ).fetchall()
    return dict(found)
