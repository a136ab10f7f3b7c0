"""Serving without a process: it answers rows of the past in blocks, as serving would have.

Each version reads rows through its own contract. Errors and latencies do not happen here.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import numpy as np

from engine.artifacts import Artifacts
from engine.domain.contract import Checked
from engine.domain.roles import Roles
from engine.domain.traffic import in_canary
from engine.errors import InvalidError
from engine.ledger.ledger import Ledger
from engine.serving.served import Served, proven


@dataclass(frozen=True, slots=True)
class Asked:
    """Rows of the past as their clients would have sent them: one list a feature."""

    ids: list[str]
    times: list[str]
    features: dict[str, list[Any]]

    def picked(self, places: Sequence[int]) -> "Asked":
        """Return some of the rows."""
        return Asked(
            [self.ids[at] for at in places],
            [self.times[at] for at in places],
            {name: [values[at] for at in places] for name, values in self.features.items()},
        )


class Replayed:
    """What the pipeline asks of serving, and the answers to rows of the past."""

    def __init__(
        self, ledger: Ledger, artifacts: Artifacts, unit: str, *, flag_nulls: bool = False
    ) -> None:
        self._ledger = ledger
        self._artifacts = artifacts
        self._unit = unit
        self._flag_nulls = flag_nulls
        self._held: dict[str, Served] = {}
        self._counted: dict[str, int] = {}
        self._generation = -1
        self.refused = 0

    # -- what the pipeline asks

    def sync(self, model: str | None = None) -> Mapping[str, int]:
        """Obey the ledger, which is always so: answers are made from its roles."""
        del model
        return self._ledger.generations()

    def probe(self, model: str, version: str, rows: Sequence[Mapping[str, Any]]) -> Any:
        """Return what a version answers to rows."""
        served = self._served(model, version)
        return served.predict(served.matrix(rows)).tolist()

    def loaded(self, model: str) -> Sequence[str]:
        """Return the versions that the roles name."""
        return self._ledger.roles(model).loaded()

    def p95_ms(self, model: str) -> Mapping[str, float]:
        """Return nothing: no time of a replay is a client's."""
        del model
        return {}

    def memory(self, model: str) -> Mapping[str, int]:
        """Return nothing: nothing is held for clients."""
        del model
        return {}

    def tallies(self, model: str) -> Mapping[str, tuple[int, int]]:
        """Return rows answered of each version since the generation began; none fails."""
        del model
        return {version: (n, 0) for version, n in self._counted.items()}

    def refusals(self, model: str) -> tuple[Mapping[str, int], Mapping[str, int]]:
        """Return nothing: what a contract refuses is counted as such, and no client waits."""
        del model
        return {}, {}

    # -- answers

    def answer(self, model: str, asked: Asked) -> tuple[list[Any], list[Any]]:
        """Return the rows of the prediction log and of the shadow's answers to a block."""
        roles = self._ledger.roles(model)
        if roles.champion is None or not asked.ids:
            return [], []
        if roles.generation != self._generation:
            self._generation, self._counted = roles.generation, {}
        canary = self._canary(roles, asked)
        log: list[Any] = []
        for version, role, mine in (
            (roles.champion, "champion", False),
            (roles.canary, "canary", True),
        ):
            places = [at for at, one in enumerate(canary) if one is mine]
            if version is not None and places:
                log += self._by(model, version, role, roles.generation, asked.picked(places))
        shadows: list[Any] = []
        if roles.shadow is not None:
            found = self._by(model, roles.shadow, "shadow", roles.generation, asked)
            shadows = [(model, roles.shadow, row[1], row[10]) for row in found]
        return log, shadows

    def _canary(self, roles: Roles, asked: Asked) -> list[bool]:
        """Say of each row whether the canary answers it."""
        if roles.canary is None:
            return [False] * len(asked.ids)
        units = asked.features.get(self._unit, asked.ids)
        return [in_canary(str(u), roles.salt, roles.canary_share_pct) for u in units]

    def _by(self, model: str, version: str, role: str, generation: int, whole: Asked) -> list[Any]:
        """Return the log of one version's answers; what its contract refuses is left out."""
        served = self._served(model, version)
        asked, read = self._taken(served, whole)
        if role != "shadow":
            self.refused += len(whole.ids) - len(asked.ids)
        if not asked.ids:
            return []
        columns = {name: asked.features[name] for name in served.contract.names}
        answers = served.predict(np.array(read.columns, dtype=np.float64).T)
        names, rows = list(columns), zip(*columns.values(), strict=True)
        if role != "shadow":
            self._counted[version] = self._counted.get(version, 0) + len(asked.ids)
        return [
            (
                model, f"p {name}", name, time, time, None, generation, version, role,
                _json(dict(zip(names, row, strict=True))),
                _json(answer),
                _decision(served, answer),
                " ".join(read.flags.get(at, ())),
                0.0,
            )
            for at, (name, time, row, answer) in enumerate(
                zip(asked.ids, asked.times, rows, answers.tolist(), strict=True)
            )
        ]  # fmt: skip

    def _taken(self, served: Served, asked: Asked) -> tuple[Asked, Checked]:
        """Return the rows that a version's contract takes, as it reads them."""
        whole = self._read(served, asked)
        if whole is not None:
            return asked, whole
        each = (self._read(served, asked.picked([at])) for at in range(len(asked.ids)))
        asked = asked.picked([at for at, read in enumerate(each) if read is not None])
        return asked, self._read(served, asked) or Checked()

    def _read(self, served: Served, asked: Asked) -> Checked | None:
        columns = {name: asked.features[name] for name in served.contract.names}
        try:
            return served.contract.read(columns, flag_nulls=self._flag_nulls)
        except InvalidError:
            return None

    def _served(self, model: str, version: str) -> Served:
        held = self._held.get(version)
        if held is None:
            roles = self._ledger.roles(model)
            self._held = {v: s for v, s in self._held.items() if v in roles.loaded()}
            manifest = self._ledger.version(model, version).manifest or ""
            held = self._held[version] = proven(model, version, self._artifacts.load(manifest))
        return held


def _json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _decision(served: Served, answer: list[float]) -> str | None:
    """Return what a version decides, as the log keeps it."""
    manifest = served.manifest
    if manifest.task == "binary":
        return "true" if answer[0] >= manifest.threshold else "false"
    if manifest.task == "multiclass":
        return manifest.classes[int(np.argmax(answer))]
    return None
