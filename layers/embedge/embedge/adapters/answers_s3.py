"""Where do answers wait that are too large to be sent back? An S3 bucket, which empties itself in a day or two."""

import os
from base64 import b64encode
from io import BytesIO
from typing import TYPE_CHECKING

from embedge.core.checksum import crc32
from embedge.core.kept_answer import LINK_VALID_S, answer_name
from embedge.ports import NotKept

if TYPE_CHECKING:
    from embedge.adapters.aws_clients import AwsClients

# What botocore's parser raises of an answer that is none.
_UNREADABLE = (AttributeError, TypeError, ValueError)


class S3Answers:
    """The AnswerStore port. A failed write is not tried again here: the client's own next try is all hits."""

    def __init__(self, clients: "AwsClients", bucket: str) -> None:
        """Take where the client comes from, and the bucket's name."""
        self._clients = clients
        self._bucket = bucket

    async def keep(self, tenant: str, body: bytes) -> str:
        """Write one object and return a presigned GET of it. Raises: NotKept.

        The link would die with the credentials that sign it. botocore renews those that can be renewed 15 minutes
        before they expire, or waits for it in the last 10, whenever it signs
        (https://github.com/boto/botocore/blob/develop/botocore/credentials.py, RefreshableCredentials); the others are
        those of Lambda's environment, which end with the process.
        """
        # Here, because they cost a start much, and most processes never keep an answer.
        from aiohttp import ClientError as BrokenOff  # noqa: PLC0415
        from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415

        name = answer_name(tenant, os.urandom(16))
        try:
            client = await self._clients.s3()
            await client.put_object(
                Bucket=self._bucket,
                Key=name,
                Body=BytesIO(body),  # shares the bytes, and aiohttp warns of large ones that it would write in one go
                ContentType="application/json",
                CacheControl="private, no-store",
                ChecksumCRC32=b64encode(crc32(body).to_bytes(4, "big")).decode(),  # S3 refuses what arrives otherwise
            )
            where = {"Bucket": self._bucket, "Key": name}
            return await client.generate_presigned_url("get_object", where, LINK_VALID_S)
        except (BotoCoreError, ClientError, BrokenOff, OSError, *_UNREADABLE) as fault:
            raise NotKept from fault
