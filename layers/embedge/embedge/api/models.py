"""How does a model look in `GET /v1/models`? OpenAI's four fields, and what one wants to know before embedding."""

from collections.abc import Mapping

from embedge.core.request import Principal
from embedge.core.route import Route
from embedge.core.routing import may_use

_NANO = 1_000_000_000


def listed(routes: Mapping[str, Route], principal: Principal) -> dict[str, object]:
    """Return the list of the models that a caller may use, each once, by its alias."""
    usable = {route.alias: route for route in routes.values() if route.embeds and may_use(principal, route)}
    return {"object": "list", "data": [described(usable[alias]) for alias in sorted(usable)]}


def described(route: Route) -> dict[str, object]:
    """Return one model."""
    return {
        "id": route.alias,
        "object": "model",
        "created": route.created_s,
        "owned_by": route.owned_by,
        "dimensions": route.space.dimensions,
        "dimensions_reducible": route.reducible,
        "max_input_tokens": route.max_input_tokens,
        "price_usd_per_million_tokens": route.targets[0].price_nano_usd_per_million_tokens / _NANO,
        "also_known_as": [name for name in route.answers_to() if name != route.alias],
    }
