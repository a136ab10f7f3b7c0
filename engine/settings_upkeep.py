"""How a workspace is looked after: copies of it, and how long raw rows are kept."""

from typing import Annotated

import msgspec

from engine.quantities import duration
from engine.settings_rules import between, positive, says, wrong


class BackupSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Where copies of the workspace go, how often, and how many stay."""

    folder: Annotated[
        str, says("Where copies go: a path, from cdml.toml on. Best on another disk.")
    ] = "backups"
    every: Annotated[str | None, says("Copy this often; absent: only cdml backup does.")] = None
    keep: Annotated[int, says("Copies that stay; older ones are deleted after a good one.")] = 7

    def __post_init__(self) -> None:
        if not self.folder.strip():
            wrong("folder", "it is empty. Write a path.")
        if self.every is not None:
            positive("every", self.every)
        between("keep", self.keep, 1, 1000)


class RetentionSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """How long what grows by itself is kept; once a day, what is older goes."""

    predictions: Annotated[
        str, says("Answers stay in the metric store this long, then in history/ by day.")
    ] = "400d"
    archive: Annotated[str, says("Days in history/ that are older are deleted.")] = "1100d"
    records: Annotated[
        str, says("Looks with their scores, ended runs with their folders, and events.")
    ] = "1100d"
    refused: Annotated[str, says("Files in quarantine/ and aside/.")] = "90d"

    def __post_init__(self) -> None:
        for key in ("predictions", "archive", "records", "refused"):
            positive(key, getattr(self, key))
        for key in ("archive", "records"):
            if duration(getattr(self, key)) < duration(self.predictions):
                wrong(key, f"it is shorter than predictions, {self.predictions}.")
