"""What does the cache do with real text? Embeds real passages twice, compares every bit, and searches among them.

With `make run` in another terminal: `.venv/bin/python -m benchmarks.corpus`. See benchmarks/README.md.
"""

import argparse
import asyncio
import os
import sys
from pathlib import Path

from openai import APIConnectionError, APIStatusError, OpenAI
from tokenizers import Tokenizer

from benchmarks.asking import Model, ask, ask_all, look_up
from benchmarks.figures import Pass, complaints, rows, table
from benchmarks.passages import Fits, Selection, choose, in_runs, queries
from benchmarks.ranking import shelve
from benchmarks.sources import Source, man_pages, packages
from embedge.bootstrap.operating import operate_folder
from embedge.cli.token_commands import mint
from embedge.errors import EmbedgeError
from embedge.settings import Settings
from infra.local.model_files import weights

_MODEL = "local/minilm"
_QUERIES = 10
_AMONG = 5
_HOUR_S = 3600


def main() -> None:
    """Run, and end with one line where something is wrong."""
    arguments = _arguments()
    state = Path(os.environ.get("EMBEDGE_STATE") or ".embedge")
    state.mkdir(mode=0o700, parents=True, exist_ok=True)  # as `make run` makes it: it holds keys
    try:
        token = arguments.token or asyncio.run(_minted(state))
        # No retries: what is refused once is seen here.
        client = OpenAI(base_url=arguments.base_url, api_key=token, max_retries=0)
        measure(client, arguments, state / "corpus")
    except APIConnectionError:
        sys.exit(f"corpus: nothing answers at {arguments.base_url}. Is `make run` running?")
    except APIStatusError as error:
        sys.exit(f"corpus: refused. {error.message}")
    except EmbedgeError as error:
        sys.exit(f"corpus: no token could be made ({error.message}). Start `make run` here, or give --token.")


def measure(client: OpenAI, arguments: argparse.Namespace, folder: Path) -> None:
    """Embed the passages twice, print what it came to, compare, and search. Ends the process where they differ."""
    model = look_up(client, _MODEL)
    fits = _fits(model)
    source = _source(arguments.source, folder)
    units = in_runs(source.units, arguments.seed)
    selection = choose(filter(None, map(source.read, units)), arguments.inputs, fits)
    print(_introduction(selection, source, arguments.seed, model))

    first, again = _passes(client, selection, arguments.batch)
    price = model.price_usd_per_million_tokens
    print(table({done.title: rows(done, price) for done in (first, *again)}), end="\n\n")
    wrong = complaints(first, again)
    if wrong:
        sys.exit("corpus: " + "\ncorpus: ".join(wrong))
    print("Second pass: all hits, and every vector equals the first pass's to the last bit, in base64 and in float.\n")
    print(_searched(client, selection, first, arguments.seed, fits))


def _passes(client: OpenAI, selection: Selection, size: int) -> tuple[Pass, list[Pass]]:
    """Embed everything once, then again in both encodings."""
    texts = [passage.text for passage in selection.passages]
    batches = [texts[start : start + size] for start in range(0, len(texts), size)]
    first = ask_all(client, _MODEL, batches, "base64", "first pass, base64")
    as_base64 = ask_all(client, _MODEL, batches, "base64", "second, base64")
    return first, [as_base64, ask_all(client, _MODEL, batches, "float", "second, float")]


def _searched(client: OpenAI, selection: Selection, first: Pass, seed: int, fits: Fits) -> str:
    """Return what was found of the descriptions drawn, the place of each in front."""
    drawn = queries(selection, _QUERIES, seed, fits)
    shelf = shelve(selection.passages, first.vectors())
    answer = ask(client, _MODEL, [description.synopsis for description in drawn], "base64")
    places = [shelf.place(vector, one.name, _AMONG) for one, vector in zip(drawn, answer.vectors, strict=True)]
    found = sum(place is not None for place in places)
    title = f"By synopsis alone: where among the {_AMONG} nearest of {len(shelf.owners):,} is its own description?"
    lines = (f"  {place or '-'}  {one.name}: {one.synopsis}" for one, place in zip(drawn, places, strict=True))
    return "\n".join([title, *lines, f"found {found} of {len(drawn)}"])


def _introduction(selection: Selection, source: Source, seed: int, model: Model) -> str:
    return (
        f"{len(selection.passages):,} passages from {source.title} (of {len(source.units):,}, seed {seed}):"
        f" {selection.distinct():,} distinct; paragraphs cut to fit {model.max_input_tokens} tokens: {selection.cut}.\n"
    )


def _source(wanted: str | None, folder: Path) -> Source:
    """Return the source asked for; where none is, the packages, else the man pages."""
    source = packages(folder) if wanted != "man" else None
    if source is None and wanted != "packages":
        source = man_pages()
    if source is None:
        sys.exit("corpus: no text to be had. Package descriptions need apt and a network, man pages need `man`.")
    return source


def _fits(model: Model) -> Fits:
    """Return what tells whether the model takes a text whole, by its own tokenizer."""
    tokenizer = Tokenizer.from_file(str(weights() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return lambda text: len(tokenizer.encode(text).ids) <= model.max_input_tokens


async def _minted(state: Path) -> str:
    """Return a token for what `make run` started. Raises: EmbedgeError."""
    operation = operate_folder(state, Settings(state=state))
    try:
        scopes = ("embeddings", "models")
        return await mint(operation, tenant="default", scopes=scopes, models=(_MODEL,), lifetime_s=_HOUR_S)
    finally:
        await operation.close()


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.corpus", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--inputs", type=_positive, default=2000, help="how many passages (default: 2000)")
    parser.add_argument("--batch", type=_positive, default=64, help="how many a request (default: 64)")
    parser.add_argument("--base-url", default="http://127.0.0.1:8787/v1", help="where the router is")
    parser.add_argument("--token", help="default: one is made with the keys that `make run` keeps")
    parser.add_argument("--seed", type=int, default=0, help="which passages and which searches (default: 0)")
    parser.add_argument("--source", choices=("packages", "man"), help="default: packages, else man pages")
    return parser.parse_args()


def _positive(value: str) -> int:
    number = int(value)
    if number < 1:
        raise argparse.ArgumentTypeError("must be at least 1")
    return number


if __name__ == "__main__":
    main()
