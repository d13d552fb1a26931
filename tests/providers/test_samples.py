"""Does each wire format say and understand exactly what its servers do? Held against golden samples."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from embedge import errors
from embedge.api.error_table import TABLE
from embedge.core.request import Tokens
from embedge.errors import InvalidValue
from embedge.upstreams import PROVIDERS
from tests.providers.samples import (
    FOLDER,
    NAMES,
    SPACE,
    TARGET,
    inputs_of,
    response_of,
    samples,
    space_of,
    target_of,
)

if TYPE_CHECKING:
    from embedge.core.route import ProviderName


def of(kind: str) -> pytest.MarkDecorator:
    found = samples(kind)
    names = [f"{name}: {sample['name']}" for name, sample in found]
    return pytest.mark.parametrize(("name", "sample"), found, ids=names)


@of("requests")
def test_a_request_is_the_golden_one_to_the_byte(name: ProviderName, sample: dict[str, Any]) -> None:
    target = target_of(name, sample)
    request = PROVIDERS[name].request(inputs_of(sample), space_of(sample), target, sample["secret"])
    assert request.path == sample["path"]
    assert [list(header) for header in request.headers] == sample["headers"]
    assert request.body.decode() == sample["body"]


@of("answers")
def test_an_answer_is_read_as_exactly_its_vectors_and_tokens(name: ProviderName, sample: dict[str, Any]) -> None:
    answer = PROVIDERS[name].answer(response_of(sample), len(sample["vectors"]), SPACE)
    assert answer.vectors.dtype == np.float32
    assert answer.vectors.tolist() == np.array(sample["vectors"], np.float32).tolist()
    assert answer.tokens == sample["tokens"]
    assert PROVIDERS[name].usage(response_of(sample)) == sample["tokens"]


@of("refusals")
def test_a_refusal_is_the_error_that_it_means(name: ProviderName, sample: dict[str, Any]) -> None:
    error = PROVIDERS[name].refusal(response_of(sample))
    assert type(error) is getattr(errors, sample["error"])
    assert type(error) in TABLE
    assert sample["says"] in error.message
    assert error.retry_after_s == sample["retry_after_s"]
    assert error.param == ("input" if sample["error"] in {"RefusedByProvider", "CallTooLarge"} else None)


def test_every_sample_has_a_source_and_every_wire_format_has_samples_of_each_kind() -> None:
    for kind in ("requests", "answers", "refusals"):
        found = samples(kind)
        assert {name for name, _ in found} == set(NAMES)
        assert all(sample["source"] for _, sample in found)
    assert len(list(FOLDER.iterdir())) == 3 * len(NAMES)


@pytest.mark.parametrize("name", [name for name in NAMES if name != "openai"])
def test_what_takes_no_token_ids_says_so_before_anything_is_sent(name: ProviderName) -> None:
    with pytest.raises(InvalidValue, match="text, not token ids") as caught:
        PROVIDERS[name].request([Tokens((1,))], SPACE, TARGET, None)
    assert caught.value.param == "input"


def test_a_text_among_token_ids_does_not_make_them_text() -> None:
    with pytest.raises(InvalidValue, match="text, not token ids"):
        PROVIDERS["tei"].request(["a", Tokens((1,))], SPACE, TARGET, None)


def test_texts_are_never_joined_into_one() -> None:
    with pytest.raises(ValueError, match="unpack"):
        PROVIDERS["titan"].request(["a", "b"], SPACE, TARGET, None)
