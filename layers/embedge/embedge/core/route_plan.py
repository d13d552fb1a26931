"""What would change if these routes were applied, field by field, and which of it should give an operator pause?"""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias, cast
from urllib.parse import urlsplit

from embedge.core.route import Route, Target, Verified
from embedge.core.route_document import RouteDocument, read_route
from embedge.errors import InvalidValue

OTHER_HOST = "the texts of your tenants will go to another host"
OTHER_SPACE = "another space: nothing cached before will be found"
OTHER_SCOPE = "cached for others than before: nothing cached before will be found"
SERVES_AGAIN = "this target will serve again"

_Fields: TypeAlias = Mapping[str, str]
_WHERE_TEXTS_GO = ("endpoint", "transport", "disabled")


@dataclass(frozen=True, slots=True)
class Change:
    """One field, by its path; `before` and `after` are JSON, None where it is not there."""

    field: str
    before: str | None
    after: str | None
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """One route: the document that was `seen` (None: it is new), and the one to write (None: it is taken away).

    `verified` is what the seen one says of its targets.
    """

    alias: str
    seen: str | None
    document: RouteDocument | None
    changes: tuple[Change, ...]
    verified: Verified | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """All that is to be done, and how many routes stay as they are."""

    steps: tuple[Step, ...]
    unchanged: int


def plan(seen: Mapping[str, str], wanted: Mapping[str, RouteDocument], *, prune: bool) -> Plan:
    """Compare what Control holds with what is wanted, both by alias; `prune` takes away what is not wanted.

    Raises: InvalidValue where two routes would answer to one name.
    """
    before = {
        alias: document for alias, text in seen.items() if isinstance(document := read_route(text), RouteDocument)
    }
    steps = [
        _step(document, seen.get(alias), before.get(alias))
        for alias, document in wanted.items()
        if alias not in before or before[alias].text != document.text
    ]
    unchanged = len(wanted) - len(steps)
    gone = [alias for alias in seen if alias not in wanted] if prune else []
    steps += [Step(alias, seen[alias], None, ()) for alias in gone]
    staying = [document.route for alias, document in before.items() if alias not in wanted and alias not in gone]
    written = {step.alias for step in steps if step.document}
    _refuse_clashes([*(document.route for document in wanted.values()), *staying], written)
    return Plan(tuple(steps), unchanged)


def _step(after: RouteDocument, seen: str | None, before: RouteDocument | None) -> Step:
    old, new = _fields(before.text if before else "{}"), _fields(after.text)
    warnings = {} if seen is None else dict(_warnings(before.route if before else None, after.route, (old, new)))
    changes = tuple(
        Change(field, old.get(field), new.get(field), warnings.get(field))
        for field in dict.fromkeys((*old, *new))
        if old.get(field) != new.get(field)
    )
    return Step(after.route.alias, seen, after, changes, before.route.verified if before else None)


def _fields(text: str) -> _Fields:
    """Return every value of a document by its path, targets by their ids."""
    document = cast("dict[str, object]", json.loads(text))
    targets = {str(target.pop("id")): target for target in cast("list[dict[str, object]]", document.pop("targets", []))}
    order = {"targets": _shown(list(targets))} if targets else {}
    return dict(_leaves((), document)) | order | dict(_leaves(("targets",), targets))


def _leaves(path: tuple[str, ...], value: object) -> Iterator[tuple[str, str]]:
    if not isinstance(value, dict):
        yield ".".join(path), _shown(value)
        return
    for name, inner in cast("dict[str, object]", value).items():
        yield from _leaves((*path, name), inner)


def _shown(value: object) -> str:
    return printable(json.dumps(value, ensure_ascii=False))


def printable(text: str) -> str:
    """Return a text in which nothing can move a terminal's cursor."""
    return "".join(letter if letter.isprintable() else f"\\u{ord(letter):04x}" for letter in text)


def _warnings(before: Route | None, after: Route, fields: tuple[_Fields, _Fields]) -> Iterator[tuple[str, str]]:
    old, new = fields
    for field in {*old, *new}:
        if field.startswith("space."):
            yield field, OTHER_SPACE
    yield "shared", OTHER_SCOPE
    known = {_destination(target) for target in before.targets} if before else set[str]()
    for target in after.targets:
        warning = SERVES_AGAIN if _destination(target) in known else OTHER_HOST
        changed = (f"targets.{target.id}.{name}" for name in _WHERE_TEXTS_GO)
        for field in changed:
            if warning == OTHER_HOST or field.endswith(".disabled"):
                yield field, warning


def _destination(target: Target) -> str:
    """Return who sees what is sent to a target."""
    place = urlsplit(target.endpoint).netloc.lower() if target.transport == "https" else target.endpoint
    return f"{target.transport}:{place}"


def _refuse_clashes(routes: Iterable[Route], written: set[str]) -> None:
    """Refuse a name that leads two ways. An alias wins over another route's model, but not over a name it was given."""
    known = list(routes)
    aliases = {route.alias for route in known}
    given = Counter(name for route in known for name in {route.alias, *route.names})
    claimed = Counter(name for route in known for name in route.answers_to())
    twice = {name for name in claimed if given[name] > 1 or (claimed[name] > 1 and name not in aliases)}
    for route in known:
        for name in twice.intersection(route.answers_to()) if route.alias in written else ():
            others = [other.alias for other in known if other is not route and name in other.answers_to()]
            raise InvalidValue(
                f"The routes {route.alias} and {others[0]} would both answer to the name {name}. "
                "Give it to one of them only; an alias wins over the model of another route."
            )
