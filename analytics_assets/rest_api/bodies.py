"""The body of an answer, read with a bound: however much an API sends, or packs into little, memory holds no more."""

from __future__ import annotations

import urllib3

from analytics_assets.rest_api.errors import ResponseError


def bounded(answer: urllib3.BaseHTTPResponse, most: int, where: str) -> bytes:
    """The whole body, decompressed.

    Raises:
        ResponseError: it has more than `most` bytes. What came of it is dropped, and the connection with it.
    """
    try:
        body = answer.read(most + 1)
    except BaseException:
        answer.close()
        raise
    if len(body) > most:
        answer.close()
        raise ResponseError(
            f"{where}: the answer has more than {most} bytes: ask for smaller pages (the paginator's `limit`), "
            "or set `client.max_page_bytes` higher"
        )
    return body
