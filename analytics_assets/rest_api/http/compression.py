"""Decompression of response bodies.

libcurl would do it, but it reads the first member of a gzip body only. Servers that compress in blocks send several
members, and the rows of the others would be lost.
"""

from __future__ import annotations

import zlib

COMPRESSED_ENCODINGS = ("gzip", "x-gzip", "deflate")  # values of Content-Encoding


def decompress(compressed: bytes, max_bytes: int) -> bytes | None:
    """A gzip or zlib body with any number of members, decompressed.

    Args:
        compressed: The body as received.
        max_bytes: Stop when the result is longer, so that a small body cannot fill the memory.

    Returns:
        The decompressed body; None if it is longer than `max_bytes`.

    Raises:
        ValueError: The body is corrupt or incomplete.
    """
    content = b""
    while compressed:
        member = zlib.decompressobj(wbits=32 + zlib.MAX_WBITS)  # 32: gzip or zlib, by the header
        try:
            content += member.decompress(compressed, max_bytes + 1 - len(content))
        except zlib.error:
            raise ValueError("corrupt") from None
        if len(content) > max_bytes:
            return None
        if not member.eof:
            raise ValueError("incomplete")
        compressed = member.unused_data
    return content
