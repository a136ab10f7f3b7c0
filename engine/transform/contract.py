"""The contract of a version with a transformation: raw rows checked, transformed, checked again.

Clients keep to the raw contract alone; what a row is transformed to must be as training saw it.
"""

from collections.abc import Mapping, Sequence

from engine.domain.contract import Checked, Column, Contract
from engine.domain.schema import Schema
from engine.errors import CorruptError, InvalidError
from engine.transform import columns as forms
from engine.transform.columns import RowError
from engine.transform.sealed import Sealed
from engine.transform.transformation import Transformation


class TransformedContract(Contract):
    """Reads raw columns as the estimator of one version takes them.

    `answerable` names the columns, kept and derived, whose null the estimator answers.
    """

    def __init__(
        self,
        raw: Schema,
        sealed: Sealed,
        transformation: Transformation,
        answerable: frozenset[str] | None = None,
    ) -> None:
        unseen = frozenset(n for n in raw.names if n not in sealed.kept)
        super().__init__(raw, None if answerable is None else answerable | unseen)
        self._kept = [at for at, name in enumerate(raw.names) if name in sealed.kept]
        self._transformation = transformation
        self._derived = Contract(Schema(tuple(sealed.derived)), answerable, "derived column")

    def read(
        self, columns: Mapping[str, Column], *, flag_nulls: bool = False, places: Sequence[int] = ()
    ) -> Checked:
        """Check, transform and encode; InvalidError names the row that cannot be taken."""
        checked = super().read(columns, flag_nulls=flag_nulls, places=places)
        made = self._derived.read(
            self.derived(columns, places), flag_nulls=flag_nulls, places=places
        )
        checked.columns = [checked.columns[at] for at in self._kept] + made.columns
        for at, flags in made.flags.items():
            checked.flags.setdefault(at, []).extend(flags)
        return checked

    def derived(
        self, columns: Mapping[str, Column], places: Sequence[int] = ()
    ) -> dict[str, Column]:
        """Return what raw columns are transformed to, before it is checked."""
        name = self._transformation.source.name
        try:
            _, found = self._transformation(columns)
        except RowError as e:
            row = places[e.at] if places else e.at
            raise InvalidError(
                f'Transforming row {row + 1} by "{name}": it cannot be computed, "{e.said}". '
                "Send other values, or mend the transformation and train again.",
                code="untransformable",
            ) from e
        except InvalidError as e:
            raise CorruptError(
                f"{e.message} No answer was given; roll back.", code="broken_transform"
            ) from e
        return {column: forms.values(values) for column, values in found.items()}
