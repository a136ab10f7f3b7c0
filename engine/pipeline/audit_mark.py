"""The head of the audit chain, noted outside of the ledger: one that lost its end can be told.

SQLite opens a ledger whose own log is gone or damaged without a word, as it was some changes ago.
"""

from engine.durable import replace_whole
from engine.pipeline.site import Control


def note(site: Control) -> None:
    """Note the newest entry where it is another one than was noted."""
    last = site.ledger.audit_entries(limit=1)
    text = f"{last[0].seq} {last[0].hash}\n" if last else ""
    place = site.workspace.audit_head
    if text and not (place.is_file() and place.read_text(encoding="utf-8") == text):
        replace_whole(place, text.encode())


def lost(site: Control) -> str:
    """Say what was noted and is not in the ledger; an empty text where all of it is."""
    place = site.workspace.audit_head
    seq, _, head = (
        place.read_text(encoding="utf-8").partition(" ") if place.is_file() else ("",) * 3
    )
    if not seq.isdigit():
        return ""  # never noted, or damaged itself
    found = site.ledger.entries_after(int(seq) - 1, 1)
    if found and found[0].hash == head.strip():
        return ""
    last = site.ledger.audit_entries(limit=1)
    return (
        f"changes are lost: entry {seq} of the audit was there and is not, the last one is "
        f"{last[0].seq if last else 'none'}. The ledger or its log was damaged or replaced by an "
        "older one; who leads may be who led before. Look with cdml status, and at the newest "
        "backup."
    )
