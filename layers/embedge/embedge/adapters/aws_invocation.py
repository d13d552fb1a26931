"""How does one invocation of a model in AWS end? In an answer, or in an exception true of what may have been billed."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, cast

from embedge.ports import NoAnswer, NotSent, TimedOut, WireResponse

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

# Errors of all AWS services go by many names, and these statuses say what they mean whatever the name.
_KNOWN_BY_STATUS = frozenset({401, 403, 429, 500, 502, 503, 504})

# What both services mean by their ModelNotReadyException, in the words of servers that load their model.
NOT_READY = WireResponse(503, {}, b'{"message": "The model is not ready."}')


async def invoked(
    limit_s: float, call: Callable[[], Awaitable[WireResponse]], refusal: Callable[["ClientError"], WireResponse]
) -> WireResponse:
    """Return what a call came to; `refusal` reads an error of the service. Raises: NotSent, TimedOut, NoAnswer."""
    # Here, because they cost a start much, and a process with OpenAI's routes alone never needs them.
    from aiohttp import ClientConnectorError  # noqa: PLC0415
    from aiohttp import ClientError as BrokenOff  # noqa: PLC0415
    from botocore import exceptions as boto  # noqa: PLC0415

    try:
        async with asyncio.timeout(limit_s):
            return await call()
    except boto.ClientError as error:
        return refusal(error)
    except (boto.ConnectTimeoutError, boto.NoCredentialsError, boto.NoRegionError) as fault:
        raise NotSent from fault
    except boto.EndpointConnectionError as fault:
        # aiobotocore calls any reset so, also of a connection that the request has gone over
        # (aiobotocore/httpsession.py, 3.10); only aiohttp's own error tells them apart.
        raise (NotSent if isinstance(fault.kwargs.get("error"), ClientConnectorError) else NoAnswer) from fault
    except (TimeoutError, boto.ReadTimeoutError) as fault:
        raise TimedOut from fault
    # The last two: botocore's parser, of a body that is not what it should be.
    except (boto.BotoCoreError, BrokenOff, OSError, AttributeError, ValueError) as fault:
        raise NoAnswer from fault


def status_of(error: "ClientError", meanings: Mapping[str, int]) -> int:
    """Return what an error of the service means as HTTP: by its name, by its status, or that nobody knows."""
    reply = cast("Mapping[str, object]", error.response)
    status = cast("Mapping[str, int]", reply.get("ResponseMetadata", {})).get("HTTPStatusCode", 0)
    return meanings.get(name_of(error), status if status in _KNOWN_BY_STATUS else 502)


def name_of(error: "ClientError") -> str:
    """Return the service's own name for its error."""
    reply = cast("Mapping[str, object]", error.response)
    return cast("Mapping[str, str]", reply.get("Error", {})).get("Code", "")


def said_by(error: "ClientError") -> str:
    """Return the service's own message for its error."""
    reply = cast("Mapping[str, object]", error.response)
    return cast("Mapping[str, str]", reply.get("Error", {})).get("Message", "")
