"""How a workspace is looked after: copies of it, and how long raw rows are kept."""

from typing import Annotated

import msgspec

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
