"""Is a package's long description among the nearest to its synopsis? Cosine over the distinct passages."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from benchmarks.passages import Passage


@dataclass(frozen=True, slots=True)
class Shelf:
    """The distinct passages. `vectors`: shape (texts, dimensions), unit vectors; row i is that of `owners[i]`."""

    vectors: NDArray[np.float32]
    owners: tuple[frozenset[str], ...]

    def place(self, query: bytes, name: str, among: int) -> int | None:
        """Return the best place, from 1, of a passage of `name` among the nearest `among`; None where there is none."""
        cosines = self.vectors @ np.frombuffer(query, "<f4")
        nearest = np.argsort(-cosines, kind="stable")[:among]
        places = [place for place, row in enumerate(nearest, start=1) if name in self.owners[row]]
        return places[0] if places else None


def shelve(passages: Sequence[Passage], vectors: Sequence[bytes]) -> Shelf:
    """Return the distinct passages, each with all whose description holds it, so that a copy fills one place only."""
    owners: dict[str, set[str]] = {}
    kept: list[bytes] = []
    for passage, vector in zip(passages, vectors, strict=True):
        if passage.text not in owners:
            kept.append(vector)
        owners.setdefault(passage.text, set()).add(passage.name)
    stacked = np.stack([np.frombuffer(vector, "<f4") for vector in kept])
    return Shelf(stacked, tuple(map(frozenset, owners.values())))
