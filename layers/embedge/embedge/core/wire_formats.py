"""What can each wire format carry? So that a route that cannot work is refused when it is written, not when it is used.

Sources, read 2026-11, stand in each wire format's module in `providers`.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from embedge.core.request import MAX_INPUTS
from embedge.core.route import ProviderName, Route, TransportName


@dataclass(frozen=True, slots=True)
class WireFormat:
    """`inputs` is the most that one call carries.

    `input_types` are the words that a space may use for what its texts are for, "" among them where it may use none;
    empty: any word. `dimensions` are the sizes of vectors that there are; empty: any size.
    """

    transports: frozenset[TransportName]
    inputs: int
    input_types: frozenset[str] = frozenset({""})
    dimensions: frozenset[int] = frozenset()
    takes_token_ids: bool = False


WIRE_FORMATS: Mapping[ProviderName, WireFormat] = {
    "openai": WireFormat(frozenset({"https", "sagemaker"}), MAX_INPUTS, takes_token_ids=True),
    "tei": WireFormat(frozenset({"https", "sagemaker"}), MAX_INPUTS),
    "titan": WireFormat(frozenset({"bedrock"}), 1, dimensions=frozenset({256, 512, 1024})),
    "cohere": WireFormat(
        frozenset({"https", "bedrock"}),
        96,
        input_types=frozenset({"search_document", "search_query", "classification", "clustering"}),
    ),
    "voyage": WireFormat(frozenset({"https"}), 1000, input_types=frozenset({"", "document", "query"})),
    "jina": WireFormat(frozenset({"https"}), MAX_INPUTS, input_types=frozenset()),  # its models differ in their tasks
}


def misfits(route: Route) -> Iterator[str]:
    """Yield, for each target, what its wire format cannot do of what its route asks for."""
    for target in route.targets:
        form, where = WIRE_FORMATS[target.provider], f"targets.{target.id}"
        if target.transport not in form.transports:
            yield f"{where}.transport: {target.provider} goes over {_listed(form.transports)}"
        if target.limits.inputs > form.inputs:
            yield f"{where}.limits.inputs: a call to {target.provider} carries at most {form.inputs}"
        if form.input_types and route.space.input_type not in form.input_types:
            yield f"space.input_type: {target.provider} has {_listed(form.input_types)}"
        if form.dimensions and route.space.dimensions not in form.dimensions:
            yield f"space.dimensions: {target.provider} has {_listed(form.dimensions)}"
        if route.token_inputs == "native" and not form.takes_token_ids:
            yield f"token_inputs: {target.provider} takes text only"


def _listed(choices: Collection[object]) -> str:
    return ", ".join(sorted(map(repr, choices)))
