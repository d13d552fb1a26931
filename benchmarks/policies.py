"""What does each policy of the cache cost on real text? `make bench-policies`.

Three corpora, each text a request of its own, in an order that the seed decides. OpenAI's prices and vectors, packed
without loss; DynamoDB's prices; entries live for 30 days. Beside the policies, what one who knew the future would pay.
"""

import argparse
import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from benchmarks.passages import in_runs
from benchmarks.sources import Source, copyrights, man_pages, packages
from embedge.adapters.tokenizers_tiktoken import Cl100k, shipped
from embedge.core import admission_economics as economics
from embedge.core.admission_economics import DYNAMODB_ON_DEMAND, StoreUse
from embedge.core.cache_outlook import Terms
from embedge.core.cache_replay import Asked, replay
from embedge.core.route import Admit
from embedge.core.vector_codec import stored_bytes

_NANO = 10**9
_DAY_S = 86_400
_MAX_TOKENS = 8192
_MODELS = {"3-small": (1536, 20_000_000), "3-large": (3072, 130_000_000)}
_POLICIES: tuple[Admit, ...] = ("always", "never", "second_sight", "economic")
_MOST_ABOVE = 1.02


def main() -> None:
    """Print the table, and end with status 1 where economic costs more than it may."""
    arguments = _arguments()
    print(f"{'':34}{''.join(f'{admit:>14}' for admit in _POLICIES)}{'foresight':>14}{'economic/best':>15}")
    vocabulary = shipped()
    worst = 0.0
    for source in filter(None, (packages(arguments.folder), man_pages(), copyrights())):
        asked = list(islice(_asked(source, arguments.seed, vocabulary), arguments.inputs))
        distinct = len({one.key for one in asked})
        tokens = sum(one.tokens for one in asked) / len(asked)
        print(f"{source.title}: {len(asked):,}, {1 - distinct / len(asked):.0%} duplicates, {tokens:.0f} tokens each")
        worst = max(worst, *(_compared(asked, model) for model in _MODELS))
    if worst > _MOST_ABOVE:
        raise SystemExit(f"policies: economic costs {worst:.3f} of the better of always and never")


def _compared(asked: Sequence[Asked], model: str) -> float:
    """Print a row; return what economic costs in parts of the better of always and never."""
    dimensions, price = _MODELS[model]
    net: dict[Admit, int] = {}
    for admit in _POLICIES:
        terms = Terms(admit, price, dimensions, "f32z", 30 * _DAY_S)
        net[admit] = replay(asked, terms, DYNAMODB_ON_DEMAND).net_nano_usd()
    foreseen = foresight(asked, Terms("economic", price, dimensions, "f32z", 30 * _DAY_S))
    share = net["economic"] / min(net["always"], net["never"])
    amounts = "".join(f"{nano / _NANO:14.6f}" for nano in (*net.values(), foreseen))
    print(f"  {model + ', net USD':32}{amounts}{share:15.3f}", flush=True)
    return share


def foresight(asked: Sequence[Asked], terms: Terms) -> int:
    """Return what it costs to write just what pays, when it first comes, and never to look in vain."""
    size_bytes = economics.item_bytes(stored_bytes(terms.dimensions, terms.storage))
    entry = DYNAMODB_ON_DEMAND.cost_nano_usd(economics.writing(size_bytes, terms.ttl_s))
    hit = DYNAMODB_ON_DEMAND.cost_nano_usd(StoreUse(half_read_units=economics.half_read_units(size_bytes)))
    worth = {one.key: terms.worth_nano_usd(one.tokens) for one in asked}
    times = Counter(one.key for one in asked)
    return sum(min(n * worth[key], worth[key] + entry + (n - 1) * hit) for key, n in times.items())


def _asked(source: Source, seed: int, vocabulary: Cl100k) -> Iterator[Asked]:
    tokens: dict[bytes, int] = {}
    texts = (
        paragraph
        for unit in in_runs(source.units, seed)
        if (description := source.read(unit)) is not None
        for paragraph in description.paragraphs
    )
    for number, text in enumerate(texts):
        content = text.encode()
        key = hashlib.sha256(content).digest()
        if key not in tokens:
            tokens[key] = min(_MAX_TOKENS, vocabulary.count(text, _MAX_TOKENS))
        yield Asked(number / 100, "bench", key, tokens[key], len(content))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inputs", type=int, default=60_000, help="of each corpus, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--folder", type=Path, default=Path(".embedge/corpus"), help="where package lists are kept")
    return parser.parse_args()


if __name__ == "__main__":
    main()
