"""In what order are targets asked? By priority; among equals by lot, each as often first as its weight says. Pure."""

import math
from collections.abc import Callable, Iterable

from embedge.core.route import Target


def in_order(targets: Iterable[Target], random: Callable[[], float]) -> tuple[Target, ...]:
    """Return every target once. `random` gives numbers from 0 up to 1."""
    # The least of exponential variables is that of a target with the chance weight / sum of weights, and so on.
    drawn = {target.id: -math.log(1.0 - random()) / target.weight for target in targets}
    return tuple(sorted(targets, key=lambda target: (target.priority, drawn[target.id])))
