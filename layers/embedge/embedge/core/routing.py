"""Which route serves this name for this caller?"""

from collections.abc import Iterable, Mapping
from fnmatch import fnmatchcase
from functools import lru_cache

from embedge.core.request import Principal, Scope
from embedge.core.route import Route
from embedge.errors import ModelNotAllowed, ModelNotFound, ScopeMissing


def require_scope(principal: Principal, scope: Scope) -> None:
    """Let pass only who may do this. Raises: ScopeMissing."""
    if not has_scope(principal, scope):
        raise ScopeMissing(f"This token lacks the scope '{scope}'. Ask whoever issued it for one that has it.")


def has_scope(principal: Principal, scope: Scope) -> bool:
    """Tell whether a caller may do this."""
    return scope in principal.scopes


def by_name(routes: Iterable[Route]) -> dict[str, Route]:
    """Return each route under every name that leads to it; an alias wins over another route's further names."""
    known = tuple(routes)
    names = {name: route for route in known for name in route.answers_to()}
    return names | {route.alias: route for route in known}


def choose(routes: Mapping[str, Route], principal: Principal, model: str) -> Route:
    """Return the route of a name. Raises: ModelNotFound, ModelNotAllowed. There is no other model to fall back to."""
    route = routes.get(model)
    if route is None:
        raise ModelNotFound(
            "The model in this request does not exist here. GET /v1/models lists those that do.",
            param="model",
        )
    require_model(principal, route)
    return route


def require_model(principal: Principal, route: Route) -> None:
    """Let pass only who may use this model. Raises: ModelNotAllowed."""
    if not may_use(principal, route):
        raise ModelNotAllowed(
            f"This token may not use the model {route.alias}. Ask whoever issued it, or take one of GET /v1/models.",
            param="model",
        )


def may_use(principal: Principal, route: Route) -> bool:
    """Tell whether each list of a caller's patterns names this route, by any of its names."""
    return _name(principal.models, principal.narrower_models, route.answers_to())


@lru_cache(maxsize=1024)  # each request asks twice
def _name(models: tuple[str, ...], narrower: tuple[tuple[str, ...], ...], names: tuple[str, ...]) -> bool:
    """Tell whether each of these lists of patterns has one for any of the names."""
    lists = (models, *narrower)
    return all(any(fnmatchcase(name, pattern) for name in names for pattern in patterns) for patterns in lists)
