"""What can each wire format carry? So that a route that cannot work is refused when it is written, not when it is used.

Sources, read 2026-11, stand in each wire format's module in `providers`.
"""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from embedge.core.request import MAX_INPUTS
from embedge.core.route import ProviderName, Space, Target, TokenInputs, TransportName


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


def misfits(
    space: Space, token_inputs: TokenInputs, targets: Iterable[Target]
) -> Iterator[tuple[tuple[str | int, ...], str]]:
    """Yield what the targets' wire formats cannot do of what a route asks for: the field, and what is wrong with it."""
    for place, target in enumerate(targets):
        form, where = WIRE_FORMATS[target.provider], ("targets", place)
        if target.transport not in form.transports:
            yield (*where, "transport"), f"{target.provider} goes over {_listed(form.transports)}"
        if target.limits.inputs > form.inputs:
            yield (*where, "limits", "inputs"), f"a call to {target.provider} carries at most {form.inputs}"
        if form.input_types and space.input_type not in form.input_types:
            yield ("space", "input_type"), f"{target.provider} has {_listed(form.input_types)}"
        if form.dimensions and space.dimensions not in form.dimensions:
            yield ("space", "dimensions"), f"{target.provider} has {_listed(form.dimensions)}"
        if token_inputs == "native" and not form.takes_token_ids:
            yield ("token_inputs",), f"{target.provider} takes text only"


def _listed(choices: Collection[object]) -> str:
    return ", ".join(sorted(map(repr, choices)))
