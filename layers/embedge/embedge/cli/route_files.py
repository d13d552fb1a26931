"""Which routes do these files say? YAML or JSON: a list under `routes`, or one route with its `alias` at the top."""

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from embedge.cli.yaml_lines import Json, Located, Path, read_yaml
from embedge.core.route_document import RouteDocument, read_route
from embedge.errors import InvalidValue

_FORM = "a list under `routes` is needed, or one route with its `alias` at the top"


@dataclass(frozen=True, slots=True)
class _Part:
    """One route's part of a file."""

    file: Located
    path: Path
    value: Json

    def alias(self) -> str | None:
        alias = self.value.get("alias") if isinstance(self.value, dict) else None
        return alias if isinstance(alias, str) else None

    def at(self, path: Path = ()) -> str:
        return self.file.at((*self.path, *path))


def routes_in(files: Mapping[str, bytes], only: Collection[str] = ()) -> dict[str, RouteDocument]:
    """Read files, given by their names, and return their routes by alias: of these aliases, or all where none is given.

    Raises: InvalidValue, with a line for each thing that is wrong, which begins with its file and line.
    """
    found: dict[str, RouteDocument] = {}
    places: dict[str, str] = {}
    wrong: list[str] = []
    parts = [part for name, content in files.items() for part in _parts(read_yaml(name, content))]
    if missing := set(only) - {part.alias() for part in parts}:
        raise InvalidValue(f"No route in these files has the alias {', '.join(sorted(missing))}.")
    for part in [part for part in parts if not only or part.alias() in only]:
        read = read_route(json.dumps(part.value))
        if not isinstance(read, RouteDocument):
            wrong += [f"{part.at(problem.path)}: {problem}" for problem in read]
            continue
        alias = read.route.alias
        if alias in found:
            wrong.append(f"{part.at(('alias',))}: alias: {places[alias]} has the alias {alias} too")
        found[alias], places[alias] = read, part.at(("alias",))
    if wrong:
        raise InvalidValue("\n".join(wrong))
    return found


def _parts(file: Located) -> Iterator[_Part]:
    """Take a file apart. What is under `x-…` is there to be referred to, and says nothing by itself."""
    top = file.value
    if not isinstance(top, dict) or ("routes" in top) == ("alias" in top):
        raise InvalidValue(f"{file.at(())}: {_FORM}")
    if "alias" in top:
        yield _Part(file, (), top)
        return
    routes = top["routes"]
    if not isinstance(routes, list):
        raise InvalidValue(f"{file.at(('routes',))}: {_FORM}")
    for name in top:
        if name != "routes" and not name.startswith("x-"):
            raise InvalidValue(f"{file.at((name,))}: {name} means nothing beside `routes`; to refer to it, call it x-…")
    for place, value in enumerate(routes):
        yield _Part(file, ("routes", place), value)
