"""Which wire format does a target speak?"""

from collections.abc import Mapping

from embedge.core.route import ProviderName
from embedge.providers.base import Provider
from embedge.providers.openai import OpenAI
from embedge.providers.tei import TextEmbeddingsInference

PROVIDERS: Mapping[ProviderName, Provider] = {"openai": OpenAI(), "tei": TextEmbeddingsInference()}
