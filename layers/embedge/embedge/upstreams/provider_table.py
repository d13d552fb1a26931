"""Which wire format does a target speak?"""

from collections.abc import Mapping

from embedge.core.route import ProviderName
from embedge.providers.base import Provider
from embedge.providers.cohere import Cohere
from embedge.providers.jina import Jina
from embedge.providers.openai import OpenAI
from embedge.providers.tei import TextEmbeddingsInference
from embedge.providers.titan import Titan
from embedge.providers.voyage import Voyage

PROVIDERS: Mapping[ProviderName, Provider] = {
    "openai": OpenAI(),
    "tei": TextEmbeddingsInference(),
    "titan": Titan(),
    "cohere": Cohere(),
    "voyage": Voyage(),
    "jina": Jina(),
}
