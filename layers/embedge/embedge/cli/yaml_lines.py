"""What does a YAML file say, in JSON's terms, and on which line does each of its values stand?

YAML guesses types: a date, `no` and `1_000` would not stay what was written. So only what JSON would take for a number,
true, false or null is one here; all else is text. A key that comes twice is an error. Anchors and merge keys (`<<`)
work, as long as what they unfold to is no more than somebody would write.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from embedge.errors import InvalidValue

Json: TypeAlias = "bool | int | float | str | list[Json] | dict[str, Json] | None"
Path: TypeAlias = tuple[str | int, ...]

_TAG = "tag:yaml.org,2002:"
_MOST_VALUES = 200_000
_DEEPEST = 20
_MOST_DIGITS = 30
_NULLS = ("null", "~", "")
_INT = r"-?(?:0|[1-9][0-9]*)"
_TYPED = {
    _TAG + "null": (re.compile(r"(?:null|~|)\Z"), ["n", "~", ""]),
    _TAG + "bool": (re.compile(r"(?:true|false)\Z"), ["t", "f"]),
    _TAG + "int": (re.compile(rf"{_INT}\Z"), list("-0123456789")),
    _TAG + "float": (re.compile(rf"{_INT}(?:\.[0-9]+(?:[eE][-+]?[0-9]+)?|[eE][-+]?[0-9]+)\Z"), list("-0123456789")),
}


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 (PyYAML's way to set them)


class _Dumper(yaml.SafeDumper):
    """Quotes what any version of YAML would take for something else than text."""


def _represented(dumper: yaml.SafeDumper, text: str) -> ScalarNode:
    """Escape what cannot be seen, which PyYAML would write as it is and read as a space."""
    style = None if text.isprintable() else '"'
    return dumper.represent_scalar(_TAG + "str", text, style)  # pyright: ignore[reportUnknownMemberType]


_Dumper.add_representer(str, _represented)
for _tag, (_pattern, _first) in _TYPED.items():
    _Loader.add_implicit_resolver(_tag, _pattern, _first)  # pyright: ignore[reportUnknownMemberType]
    _Dumper.add_implicit_resolver(_tag, _pattern, _first)  # pyright: ignore[reportUnknownMemberType]


@dataclass(frozen=True, slots=True)
class Located:
    """What a file says, and the line of each value by its path; `at` finds the nearest that is there."""

    source: str
    value: Json
    lines: Mapping[Path, int]

    def at(self, path: Path) -> str:
        """Return the file and the line of a value, or of what it would be in."""
        while path not in self.lines:
            path = path[:-1]
        return f"{self.source}:{self.lines[path]}"


def read_yaml(source: str, content: bytes) -> Located:
    """Read a file's content. Raises: InvalidValue, naming the source and the line."""
    try:
        text = content.decode("utf-8-sig")
        # JSON may be indented by tabs, YAML never; inside of JSON's strings there are none.
        root = _composed(text.replace("\t", " ") if text.lstrip().startswith("{") else text)
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InvalidValue(f"{source}:{line}: this is not UTF-8") from error
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise InvalidValue(f"{source}:{mark.line + 1 if mark else 1}: {error.problem or error.context}") from error
    except yaml.YAMLError as error:
        raise InvalidValue(f"{source}:1: there is a character in it that YAML does not allow") from error
    except RecursionError as error:
        raise InvalidValue(f"{source}:1: this is nested too deeply") from error
    if root is None:
        raise InvalidValue(f"{source}:1: this file is empty")
    reading = _Reading(source)
    return Located(source, reading.value(root, ()), reading.lines)


def _composed(text: str) -> Node | None:
    return cast("Node | None", yaml.compose(text, Loader=_Loader))  # pyright: ignore[reportUnknownMemberType]


def write_yaml(value: Json) -> str:
    """Return text that reads back as the same value."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)


@dataclass(slots=True)
class _Reading:
    source: str
    lines: dict[Path, int] = field(default_factory=dict[Path, int])
    _values: int = 0

    def value(self, node: Node, path: Path) -> Json:
        self._values += 1
        if self._values > _MOST_VALUES or len(path) > _DEEPEST:
            raise self._wrong(node, "this unfolds to more than a file of routes can be")
        self.lines[path] = _line(node)
        if isinstance(node, MappingNode):
            return {key: self.value(inner, (*path, key)) for key, inner in self._entries(node, len(path)).items()}
        if isinstance(node, SequenceNode):
            return [self.value(inner, (*path, place)) for place, inner in enumerate(node.value)]
        return self._scalar(node)

    def _entries(self, node: MappingNode, depth: int) -> dict[str, Node]:
        """Return what stands under each key; what is merged in gives way to what stands here."""
        if depth > _DEEPEST:
            raise self._wrong(node, "this merges in itself")
        own: dict[str, Node] = {}
        merged: dict[str, Node] = {}
        for key, inner in node.value:
            if not isinstance(key, ScalarNode):
                raise self._wrong(key, "a key is text")
            name = self._text(key, str(key.value))
            if name == "<<" and key.style is None:
                for source in self._merged(inner):
                    merged = self._entries(source, depth + 1) | merged
            elif name in own:
                raise self._wrong(key, f"{name} stands here twice")
            else:
                own[name] = inner
        return merged | own

    def _merged(self, node: Node) -> Iterator[MappingNode]:
        for source in node.value if isinstance(node, SequenceNode) else [node]:
            self._values += 1
            if not isinstance(source, MappingNode) or self._values > _MOST_VALUES:
                raise self._wrong(node, "only a mapping can be merged in")
            yield source

    def _scalar(self, node: Node) -> Json:
        text = str(node.value)
        if node.tag == _TAG + "str":
            return self._text(node, text)
        if node.tag not in _TYPED or not _TYPED[node.tag][0].match(text):
            raise self._wrong(node, f"the tag {node.tag.removeprefix(_TAG)} means nothing here")
        if len(text) > _MOST_DIGITS:
            raise self._wrong(node, "this number has too many digits")
        return cast("Json", json.loads(text)) if text not in _NULLS else None

    def _text(self, node: Node, text: str) -> str:
        """Join the halves that JSON escapes a character outside of the first 65,536 in."""
        try:
            return text.encode("utf-16", "surrogatepass").decode("utf-16")
        except UnicodeDecodeError as error:
            raise self._wrong(node, "half of a character is no text") from error

    def _wrong(self, node: Node, what: str) -> InvalidValue:
        return InvalidValue(f"{self.source}:{_line(node)}: {what}")


def _line(node: Node) -> int:
    return node.start_mark.line + 1
