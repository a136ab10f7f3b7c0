"""Two files of rows that differ a little, made from seeds: a reference and a current one."""

from dataclasses import dataclass
from pathlib import Path

import duckdb


@dataclass(frozen=True, slots=True)
class Pair:
    """The files and their size."""

    reference: Path
    current: Path
    rows: int
    numbers: int
    categories: int

    @property
    def size(self) -> str:
        """Say how large they are."""
        rows = f"{self.rows // 1000}k" if self.rows < 1_000_000 else f"{self.rows // 1_000_000}M"
        return f"{rows} x {self.numbers + self.categories}"


def written(folder: Path, rows: int, numbers: int, categories: int) -> Pair:
    """Write two files; the second is shifted by 0.3 of a deviation in every number."""
    paths = []
    for name, shift, seed in (("reference", 0.0, 0.1), ("current", 0.3, 0.6)):
        paths.append(folder / f"{name}-{rows}.parquet")
        _write(paths[-1], rows, numbers, categories, shift, seed)
    return Pair(*paths, rows, numbers, categories)


def _write(path: Path, rows: int, numbers: int, categories: int, shift: float, seed: float) -> None:
    """Write numbers that are nearly normal, every 20th missing, and categories of 8 values."""
    normal = "(random() + random() + random() + random() - 2) * 1.7"
    columns = [
        f"case when random() < 0.05 then null else {normal} + {shift} end as n{at}"
        for at in range(numbers)
    ]
    columns += [f"'c' || (random() * random() * 8)::integer as c{at}" for at in range(categories)]
    with duckdb.connect(config={"threads": 1}) as db:
        db.execute("select setseed(?)", [seed])
        select = f"select {', '.join(columns)} from range({rows})"
        db.execute(f"copy ({select}) to '{path}' (format parquet)")
