"""Do these targets serve one vector space? What to ask each of them, and what their answers say.

Targets of one space give the same text the same vector, but for rounding: other quantisation, other hardware or another
batch stay above a cosine of 0.999; another model, revision or prompt does not.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass

from embedge.core.late import np
from embedge.core.route import Route, Space
from embedge.core.vector_codec import FloatVector, FloatVectors

LEAST_COSINE = 0.999
_LENGTH_TOLERANCE = 0.01
_SAME = 0.9999

# Of several scripts and lengths, in no order of length, so that a server that mixes up a batch is seen. Each has
# at most 256 bytes: every model takes them.
PROBES = (
    "The quick brown fox jumps over the lazy dog.",
    "Vector",
    "Die Rechnung vom 3. März ist noch offen; bitte überweisen Sie den Betrag von 1.249,50 € bis Monatsende.",
    "量子コンピュータは、重ね合わせを使って計算する。",
    "def mean(values):\n    return sum(values) / len(values)",
    "Как восстановить пароль от учётной записи?",
    "The committee postponed its decision on the new bridge until a report on the riverbed and on traffic is there.",
    "مرحبا بالعالم 🌍",
)


@dataclass(frozen=True, slots=True)
class Probed:
    """What a target answered: a row for each text, and one for the last of them sent alone; as they came, unscaled."""

    target: str
    vectors: FloatVectors
    alone: FloatVectors
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Unusable:
    """A target that gave no vectors. `answered`: it did answer, but not with vectors of this space."""

    target: str
    reason: str
    answered: bool
    latency_ms: float


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one target was found to be. `problem` is None where it serves the space.

    `drifted`: it answers, but out of another space. `length` is the mean of its vectors', before anything was scaled.
    """

    target: str
    dimensions: int | None
    length: float | None
    least_cosine: float | None
    latency_ms: float
    problem: str | None = None
    drifted: bool = False


@dataclass(frozen=True, slots=True)
class Watched:
    """What was found of one route; `taken_out` are the targets that were, `error` is why it could not be compared."""

    alias: str
    verdicts: tuple[Verdict, ...] = ()
    taken_out: tuple[str, ...] = ()
    error: str | None = None

    def is_good(self) -> bool:
        """Tell whether every target serves the route's space."""
        return self.error is None and all(verdict.problem is None for verdict in self.verdicts)


def probes(route: Route) -> tuple[str, ...]:
    """Return the texts that this model surely takes, and two at least."""
    fitting = tuple(text for text in PROBES if len(text.encode()) <= route.max_input_tokens)
    return fitting if len(fitting) > 1 else tuple(sorted(PROBES, key=len)[:2])


def fingerprint(route: Route) -> str:
    """Return what changes as soon as other servers, models or another space could answer, and only then."""
    places = sorted(
        [
            target.provider,
            target.transport,
            target.endpoint,
            target.model,
            target.inference_component or "",
            target.target_variant or "",
        ]
        for target in route.targets
    )
    return hashlib.sha256(json.dumps([asdict(route.space), places], sort_keys=True).encode()).hexdigest()


def needs_check(route: Route) -> bool:
    """Tell whether a route has several targets that nobody has compared, as they are now."""
    known = route.verified
    return len(route.targets) > 1 and not (known and not known.forced and known.fingerprint == fingerprint(route))


def judge(space: Space, answers: Sequence[Probed | Unusable]) -> tuple[Verdict, ...]:
    """Compare each target with the first that is sound by itself. `answers` come in the order of the targets."""
    sound = (answer for answer in answers if isinstance(answer, Probed) and _unsound(space, answer) is None)
    reference = next(sound, None)
    return tuple(
        _judged(space, answer, reference)
        if isinstance(answer, Probed)
        else Verdict(answer.target, None, None, None, answer.latency_ms, answer.reason, drifted=answer.answered)
        for answer in answers
    )


def to_take_out(verdicts: Sequence[Verdict]) -> Mapping[str, str]:
    """Return the targets that drift, and why; none where no other is left to serve."""
    if all(verdict.problem for verdict in verdicts):
        return {}
    return {verdict.target: verdict.problem for verdict in verdicts if verdict.drifted and verdict.problem}


def _judged(space: Space, answer: Probed, reference: Probed | None) -> Verdict:
    lengths = _lengths(answer.vectors)
    cosine = min(_cosines(answer.vectors[-1:], answer.alone))
    problem = _unsound(space, answer)
    if problem is None and reference is not None:
        cosine = min(cosine, *_cosines(answer.vectors, reference.vectors))
        problem = _different(space, answer, reference)
    return Verdict(
        answer.target,
        answer.vectors.shape[1],
        float(lengths.mean()),
        cosine,
        answer.latency_ms,
        problem,
        drifted=problem is not None,
    )


def _unsound(space: Space, answer: Probed) -> str | None:
    """Say what is wrong with an answer by itself."""
    lengths = _lengths(np.concatenate((answer.vectors, answer.alone)))
    if not np.isfinite(lengths).all() or not lengths.all():
        return "a vector has no length, or numbers that are not finite"
    if space.normalised and (np.abs(lengths - 1) > _LENGTH_TOLERANCE).any():
        return f"its vectors have lengths up to {lengths.max():.3g}, and the space says that they are normalised"
    first = np.broadcast_to(answer.vectors[:1], answer.vectors[1:].shape)
    if min(_cosines(answer.vectors[1:], first)) > _SAME:
        return "it gives different texts the same vector"
    if min(_cosines(answer.vectors[-1:], answer.alone)) < LEAST_COSINE:
        return "it gives a text another vector in a batch than alone"
    return None


def _different(space: Space, answer: Probed, reference: Probed) -> str | None:
    cosines = list(_cosines(answer.vectors, reference.vectors))
    if min(cosines) < LEAST_COSINE:
        return f"its vectors are not those of {reference.target}: the cosine of one text's is {min(cosines):.4f}"
    ratios = _lengths(answer.vectors) / _lengths(reference.vectors)
    if not space.normalised and (np.abs(ratios - 1) > _LENGTH_TOLERANCE).any():
        return f"its vectors are not as long as those of {reference.target}"
    return None


def cosine(one: FloatVector, other: FloatVector) -> float:
    """Return how much two vectors of a size point the same way, -1 to 1; 0 where one has no length."""
    first, second = one.astype(np.float64), other.astype(np.float64)
    lengths = float(np.linalg.norm(first) * np.linalg.norm(second))
    return float(first @ second) / lengths if lengths > 0 else 0.0


def _cosines(some: FloatVectors, others: FloatVectors) -> Iterator[float]:
    return (cosine(one, other) for one, other in zip(some, others, strict=True))


def _lengths(vectors: FloatVectors) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    return np.sqrt(np.einsum("ij,ij->i", vectors, vectors, dtype=np.float64))
