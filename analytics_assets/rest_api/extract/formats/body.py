"""Converts the bodies of all formats to JSON, which the selector reads."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from analytics_assets.rest_api.config import BodyFormat, DataType, ResolvedResource
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.formats.csv_lines import csv_to_json
from analytics_assets.rest_api.extract.formats.json_lines import json_lines_to_json
from analytics_assets.rest_api.extract.json_decoding import BOM
from analytics_assets.rest_api.http.compression import decompress
from analytics_assets.rest_api.http.response import Response

GZIP = b"\x1f\x8b"
ARCHIVES = {b"PK\x03\x04": "a zip archive", b"BZh": "bzip2", b"\x28\xb5\x2f\xfd": "zstd", b"\xfd7zXZ": "xz"}
UTF16 = (b"\xff\xfe", b"\xfe\xff")
MARKUP = re.compile(rb"\s*<(!doctype|html|\?xml)", re.IGNORECASE)
CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]+)", re.IGNORECASE)
UTF8_NAMES = ("utf-8", "utf8", "us-ascii", "ascii")
ACCEPT: Mapping[BodyFormat, str] = {
    "csv": "text/csv, */*;q=0.5",
    "jsonl": "application/x-ndjson, application/jsonl, */*;q=0.5",
}


@dataclass(frozen=True)
class BodyReader:
    """Turns responses into JSON.

    Attributes:
        format: The configured format of the responses.
        columns: The data types of declared columns, by field: the cells of CSV are text otherwise.
        expected: Fields of the primary key and declared ones: a header of CSV has at least one of them.
        max_bytes: The longest body, decompressed.
    """

    format: BodyFormat = "json"
    columns: Mapping[str, DataType] = field(default_factory=dict)
    expected: tuple[str, ...] = ()
    max_bytes: int = 100_000_000

    @classmethod
    def of(cls, resource: ResolvedResource, *, max_bytes: int) -> BodyReader:
        """The reader of a resource's responses."""
        columns = {name: column.data_type for name, column in resource.columns.items()}
        # Names with a leading underscore are columns of parents and of `for_each`: responses do not have them.
        expected = tuple(name for name in (*resource.primary_key, *columns) if not name.startswith("_"))
        return cls(resource.endpoint.format, columns, expected, max_bytes)

    def __call__(self, response: Response) -> bytes:
        """The body of a response as JSON.

        Raises:
            ResponseError: The body is of another format than the configuration says, or incomplete.
        """
        body = response.body
        if body.startswith(GZIP):  # a file, such as export.csv.gz; Content-Encoding is undone by the transport
            body = self._decompressed(body)
        if self.format == "json":
            return body
        body = body.removeprefix(BOM)
        self._check_text(body, response.headers.get("Content-Type", ""))
        if self.format == "csv":
            return csv_to_json(body, self.columns, self.expected)
        return json_lines_to_json(body)

    def _decompressed(self, body: bytes) -> bytes:
        try:
            decompressed = decompress(body, self.max_bytes)
        except ValueError as error:
            raise ResponseError(f"the response is gzip, but {error}: the API's file is damaged, or cut off") from None
        if decompressed is None:
            raise ResponseError(
                f"the response is gzip, and longer than {self.max_bytes} bytes when decompressed: request smaller "
                "pages, or increase `client.max_page_bytes`"
            )
        return decompressed

    def _check_text(self, body: bytes, content_type: str) -> None:
        """Raises ResponseError if the body cannot be text of this format in UTF-8."""
        problem = next((name for magic, name in ARCHIVES.items() if body.startswith(magic)), None)
        if problem:
            raise ResponseError(f"the response is {problem}: only plain text and gzip can be read")
        if MARKUP.match(body):
            raise ResponseError(
                f"the API returned HTML or XML, not {self.format}: check `base_url`, `path` and the credentials"
            )
        declared = CHARSET.search(content_type)
        is_other = declared is not None and declared[1].lower() not in UTF8_NAMES and not body.isascii()
        if is_other or body.startswith(UTF16):
            name = declared[1] if declared and is_other else "UTF-16"
            raise ResponseError(f"the response is written in {name}: only UTF-8 can be read. Request UTF-8, if it can")


def with_accept(format: BodyFormat, headers: Mapping[str, str], client_headers: Mapping[str, str]) -> Mapping[str, str]:
    """An endpoint's headers with `Accept` for a format other than JSON, unless the YAML sets it."""
    is_set = any(name.lower() == "accept" for name in (*headers, *client_headers))
    return headers if is_set or format not in ACCEPT else {**headers, "Accept": ACCEPT[format]}
