"""How is a server that forgot its model made to load it again? One call to it, and not one for every caller.

Source: `{"model": …}` is what llama.cpp's router (`POST /models/load`,
https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md) and LM Studio (`POST /api/v1/models/load`,
https://lmstudio.ai/docs/developer/rest/load) take, read 2026-11. Both paths begin at the server's root, not at the
`/v1` where embeddings are.
"""

import asyncio
from dataclasses import replace
from urllib.parse import urlsplit

import orjson

from embedge.errors import EmbedgeError
from embedge.ports import NoAnswer, NotSent, WireRequest
from embedge.upstreams.sending import Sender, Try

# A server that has no embeddings just after a load will not have them after the next.
REST_S = 30.0


async def reload(sender: Sender, this: Try, sent_s: float) -> bool:
    """Return whether it is worth asking the target once more, because its model was loaded since `sent_s`.

    Whoever comes while a load is under way waits for that one, and asks for none of his own.
    """
    path = this.target.reload
    if path is None or this.target.transport != "https":  # elsewhere there is no path to go to
        return False
    state, loop = this.state, asyncio.get_running_loop()
    async with state.reloading:
        if state.reloaded_s is not None and loop.time() < state.reloaded_s + REST_S:
            return state.reloaded_s > sent_s
        sender.on_fault("model_reloaded")
        try:
            await _ask(sender, this, path)
        except (EmbedgeError, NoAnswer, NotSent):
            return False
        finally:
            state.reloaded_s = loop.time()
    return True


async def _ask(sender: Sender, this: Try, path: str) -> None:
    """Send the call; its answer, a refusal too, means less than what the next call for embeddings will say."""
    origin = urlsplit(this.target.endpoint)._replace(path="", query="").geturl()
    request = this.request(await sender.secrets.reveal(this.target))
    body = orjson.dumps({"model": this.target.model})
    at_root = replace(this.target, endpoint=origin)
    await sender.transports[this.target.transport].send(at_root, WireRequest(path, request.headers, body))
