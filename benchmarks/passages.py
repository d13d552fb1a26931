"""Which real passages are embedded? The paragraphs of descriptions, as they come, in runs of neighbours.

The rule: units (a package's stanza, a man page) stand in the order their source gives them; they are taken in runs of
16 neighbours, whose order is shuffled by the seed, so that near relatives and their repeated paragraphs stay together
as they do in a real corpus. A passage is one paragraph, its white space made single spaces. A paragraph that the model
cannot take whole is cut where a sentence ends, else between words, else between characters. Nothing is dropped or
truncated, and nothing is made distinct.
"""

import random
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import takewhile

_RUN = 16  # at 16 the share of duplicates is about that of the whole list; at 1 it is a third of it
_ENDS = (re.compile(r"(?<=[.!?])\s+"), re.compile(r"\s+"), re.compile(r"(?s)(?<=.)(?=.)"))
_BODY_INDENT = 5  # what a man page's text stands in at least; its headings stand further left
_NO_PROSE = frozenset({"NAME", "SYNOPSIS"})

Fits = Callable[[str], bool]


@dataclass(frozen=True, slots=True)
class Description:
    """What describes one package or page: its synopsis, and the paragraphs of its long description."""

    name: str
    synopsis: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A text to be embedded, and whose description it is part of."""

    name: str
    text: str


@dataclass(frozen=True, slots=True)
class Selection:
    """What was chosen. `whole`: the descriptions of which every passage is in it. `cut`: paragraphs that were cut."""

    passages: tuple[Passage, ...]
    whole: tuple[Description, ...]
    cut: int

    def distinct(self) -> int:
        """Return how many different texts there are."""
        return len({passage.text for passage in self.passages})


def parse_stanza(stanza: str) -> Description | None:
    """Return the description in a stanza of a Translation-en list, None where there is none.

    The synopsis stands behind `Description-en:`, the long description in the lines below it, each indented by a space
    at least; ` .` is an empty line.
    """
    name, synopsis, body = "", "", list[str]()
    described = False
    for line in stanza.splitlines():
        if described and line.startswith(" "):
            body.append("" if line == " ." else line)
            continue
        field, _, value = line.partition(": ")
        described = field == "Description-en"
        name = value if field == "Package" else name
        synopsis = value if described else synopsis
    return Description(name, synopsis, _paragraphs(body)) if name and synopsis else None


def parse_page(name: str, rendered: str) -> Description | None:
    """Return the description in a man page that was rendered as text, None where it names no purpose."""
    section, named, prose = "", list[str](), list[str]()
    for line in rendered.splitlines():
        indent = len(line) - len(line.lstrip())
        if line.strip() and indent < _BODY_INDENT:
            section = line.strip().upper() if indent == 0 else section
            prose.append("")
        elif section == "NAME":
            named.append(line)
        elif section not in _NO_PROSE:
            prose.append(line)
    _, _, purpose = _one_line(named).replace(" – ", " - ").replace(" — ", " - ").partition(" - ")  # noqa: RUF001 (mdoc's dash)
    return Description(name, purpose, _paragraphs(prose)) if purpose else None


def parse_copyright(name: str, text: str) -> Description:
    """Return a copyright file as a description: its paragraphs, where a line with nothing but a dot is an empty one."""
    lines = ("" if line.strip() == "." else line for line in text.splitlines())
    return Description(name, f"the copyright of {name}", _paragraphs(lines))


def in_runs(units: Sequence[str], seed: int) -> Iterator[str]:
    """Yield every unit once: runs of neighbours, in an order that the seed decides."""
    starts = list(range(0, len(units), _RUN))
    random.Random(seed).shuffle(starts)  # noqa: S311 (a repeatable choice, no secret)
    for start in starts:
        yield from units[start : start + _RUN]


def choose(descriptions: Iterable[Description], count: int, fits: Fits) -> Selection:
    """Take passages in order until there are `count`; fewer where there are no more."""
    passages, whole, cut = list[Passage](), list[Description](), 0
    for description in descriptions:
        for paragraph in description.paragraphs:
            texts = pieces(paragraph, fits)
            cut += len(texts) > 1
            passages += [Passage(description.name, text) for text in texts]
        if description.paragraphs and len(passages) <= count:
            whole.append(description)
        if len(passages) >= count:
            break
    return Selection(tuple(passages[:count]), tuple(whole), cut)


def queries(selection: Selection, count: int, seed: int, fits: Fits) -> list[Description]:
    """Draw descriptions whose synopses are searched for, blindly, from those that are in the selection as a whole."""
    eligible = [description for description in selection.whole if fits(description.synopsis)]
    return random.Random(seed).sample(eligible, min(count, len(eligible)))  # noqa: S311 (a repeatable choice, no secret)


def pieces(text: str, fits: Fits) -> list[str]:
    """Cut a text so that every piece fits; all of it is kept, but the white space where it was cut."""
    cut = list[str]()
    while not fits(text):
        end = _last_end(text, fits)
        cut.append(text[:end].rstrip())
        text = text[end:].lstrip()
    return [*cut, text]


def _last_end(text: str, fits: Fits) -> int:
    """Return where the longest beginning that fits ends, at the best kind of end that there is."""
    for ends in _ENDS:
        fitting = list(takewhile(lambda end: fits(text[: end.start()]), ends.finditer(text)))
        if fitting:
            return fitting[-1].end()
    raise ValueError("not even one character fits")


def _paragraphs(lines: Iterable[str]) -> tuple[str, ...]:
    """Join lines up to each empty one."""
    paragraphs: list[list[str]] = [[]]
    for line in lines:
        if line.strip():
            paragraphs[-1].append(line)
        else:
            paragraphs.append([])
    return tuple(_one_line(paragraph) for paragraph in paragraphs if paragraph)


def _one_line(lines: Iterable[str]) -> str:
    return " ".join(" ".join(lines).split())
