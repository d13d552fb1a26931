"""What do the largest requests take, of memory and of time? `make bench-limits`.

Each case is asked once, by a child process of its own, against a stub upstream in this one: misses first, and the same
again by another child, as hits. Memory is the child's peak (VmHWM), with all that it has imported.
"""

import asyncio
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.in_process import router
from benchmarks.stub_upstream import route, stub_upstream
from embedge.core.request import MAX_BODY_BYTES, MAX_INPUTS, MAX_REQUEST_TOKENS

_MOST_MB = 512
_LONGEST_TOKENS = 8192
_SHAPES = ("one input", "2048 inputs", "300k tokens", "4 MB")


@dataclass(frozen=True, slots=True)
class Case:
    """One request, and the route that it goes to."""

    shape: str
    dimensions: int
    encoding: str

    def inputs(self) -> list[object]:
        """Return the inputs, all different."""
        match self.shape:
            case "one input":
                return ["one"]
            case "2048 inputs":
                return [f"input {number}" for number in range(MAX_INPUTS)]
            case "300k tokens":
                inputs = MAX_REQUEST_TOKENS // _LONGEST_TOKENS
                return [[number, *range(50_000, 50_000 + _LONGEST_TOKENS - 1)] for number in range(inputs)]
            case _:  # white space, of which many characters are one token
                room = MAX_BODY_BYTES // MAX_INPUTS - len('"0000",')
                return [f"{number:04}".ljust(room) for number in range(MAX_INPUTS)]

    def body(self) -> bytes:
        """Return the request."""
        whole = {"model": "bench", "encoding_format": self.encoding, "input": self.inputs()}
        body = json.dumps(whole, separators=(",", ":")).encode()
        return body if self.shape != "4 MB" else body.ljust(MAX_BODY_BYTES)


@dataclass(frozen=True, slots=True)
class Measured:
    """What one child saw: `before_mb` is its peak before the request was sent."""

    status: int
    cache: str
    inputs: int
    body_mb: float
    answer_mb: float
    before_mb: float
    peak_mb: float
    elapsed_s: float


def main() -> None:
    """Print the table, or, as a child, measure one case."""
    if sys.argv[1:]:
        shape, dimensions, encoding, port, folder = sys.argv[1:]
        case = Case(shape, int(dimensions), encoding)
        print(json.dumps(asdict(asyncio.run(_measured(case, int(port), Path(folder))))))
        return
    print(f"{'':12} {'size':>5} {'encoding':8} {'':22} ", end="")
    print(f"{'body MB':>8} {'answer MB':>10} {'peak MB':>8} {'ms':>9} {'ms/input':>9}", flush=True)
    peaks = list(_rows())
    verdict = "under" if max(peaks) < _MOST_MB else "NOT under"
    print(f"\nThe largest takes {max(peaks):.0f} MB: {verdict} {_MOST_MB} MB.")


def _rows() -> Iterator[float]:
    """Print a row for each case; yield its peak in MB."""
    cases = [
        Case(shape, size, encoding) for shape in _SHAPES for size in (1536, 3072) for encoding in ("base64", "float")
    ]
    with stub_upstream() as port:
        for case in cases:
            with tempfile.TemporaryDirectory() as folder:
                for _ in ("misses", "hits"):
                    seen = _in_a_child(case, port, folder)
                    print(
                        f"{case.shape:12} {case.dimensions:5} {case.encoding:8} {seen.cache:22} {seen.body_mb:8.2f} "
                        f"{seen.answer_mb:10.2f} {seen.peak_mb:8.0f} {1000 * seen.elapsed_s:9.1f} "
                        f"{1000 * seen.elapsed_s / seen.inputs:9.3f}{'' if seen.status == 200 else f'  {seen.status}'}",
                        flush=True,
                    )
                    yield seen.peak_mb


def _in_a_child(case: Case, port: int, folder: str) -> Measured:
    arguments = (case.shape, str(case.dimensions), case.encoding, str(port), folder)
    command = [sys.executable, "-m", "benchmarks.limits", *arguments]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True)  # noqa: S603 (our own module)
    return Measured(**json.loads(done.stdout))


async def _measured(case: Case, port: int, folder: Path) -> Measured:
    body = case.body()
    async with router(folder, route(port, case.dimensions)) as asked:
        await asked.ask(b"{}")  # what is imported late is imported
        before_mb = _peak_mb()
        answer = await asked.ask(body)
        return Measured(
            status=answer.status,
            cache=answer.headers.get("x-embedge-cache", ""),
            inputs=len(case.inputs()),
            body_mb=len(body) / 1e6,
            answer_mb=answer.body_bytes / 1e6,
            before_mb=before_mb,
            peak_mb=_peak_mb(),
            elapsed_s=answer.elapsed_s,
        )


def _peak_mb() -> float:
    """Return this process's peak so far, as Linux counts it."""
    status = Path("/proc/self/status").read_text(encoding="ascii")
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024 / 1e6


if __name__ == "__main__":
    main()
