"""Decompression of response bodies."""

from __future__ import annotations

import gzip
import zlib

import pytest

from analytics_assets.rest_api.http.compression import decompress

BODY = b'{"data": []}'


@pytest.mark.parametrize(
    ("compressed", "content"),
    [
        pytest.param(b"", b"", id="empty"),
        pytest.param(gzip.compress(BODY), BODY, id="gzip"),
        pytest.param(zlib.compress(BODY), BODY, id="zlib"),
        pytest.param(b"".join(map(gzip.compress, (BODY[:5], b"", BODY[5:]))), BODY, id="several-members"),
    ],
)
def test_body_is_decompressed_up_to_the_limit(compressed: bytes, content: bytes) -> None:
    assert decompress(compressed, len(content)) == content
    assert content == b"" or decompress(compressed, len(content) - 1) is None


@pytest.mark.parametrize(
    "compressed",
    [
        pytest.param(BODY, id="not-compressed"),
        pytest.param(gzip.compress(BODY)[:-1], id="incomplete"),
        pytest.param(gzip.compress(BODY) + gzip.compress(BODY)[:-1], id="incomplete-last-member"),
        pytest.param(gzip.compress(BODY) + b"trailing", id="trailing-bytes"),
        pytest.param(gzip.compress(BODY)[:-8] + bytes(8), id="wrong-checksum"),
    ],
)
def test_corrupt_body_is_an_error(compressed: bytes) -> None:
    with pytest.raises(ValueError, match=r"corrupt|incomplete"):
        decompress(compressed, 1000)
