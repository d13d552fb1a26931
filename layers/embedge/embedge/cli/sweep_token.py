"""Where did a sweep stop? A small file beside the state, from which it goes on after Ctrl-C or a lost connection."""

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from embedge.errors import EmbedgeError


@dataclass(frozen=True, slots=True)
class SweepToken:
    """How far a sweep is: what it deletes was written before `before_s`, and `last` is the last key it looked at."""

    before_s: int
    last: bytes | None = None
    seen: int = 0
    deleted: int = 0


class TokenFile:
    """The token of one part of one cache."""

    def __init__(self, folder: Path, stack: str | None, part: str) -> None:
        """Take the folder with the state, and whose sweep it is."""
        self._path = folder / "sweeps" / f"{stack or ''}#{part}.json".replace("/", "%2F")

    def load(self) -> SweepToken:
        """Return where the sweep stopped. Raises: EmbedgeError where there is none that could be read."""
        try:
            read = json.loads(self._path.read_text(encoding="ascii"))
            last = None if read["last"] is None else bytes.fromhex(read["last"])
            return SweepToken(read["before_s"], last, read["seen"], read["deleted"])
        except FileNotFoundError:
            raise EmbedgeError("Nothing of this was interrupted. Leave --resume out.") from None
        except (ValueError, KeyError, TypeError) as error:
            raise EmbedgeError(f"{self._path} is damaged. Leave --resume out to begin again.") from error

    def save(self, token: SweepToken) -> None:
        """Keep it, whole after a kill at any moment."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        written = self._path.with_suffix(".new")
        last = None if token.last is None else token.last.hex()
        written.write_text(json.dumps({**asdict(token), "last": last}), encoding="ascii")
        written.replace(self._path)

    def forget(self) -> None:
        """Say that the sweep is done."""
        self._path.unlink(missing_ok=True)
