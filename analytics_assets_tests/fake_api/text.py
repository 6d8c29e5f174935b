"""Endpoints whose responses are text of another format than the sandbox's JSON: CSV, JSON lines, or any bytes."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from analytics_assets.sandbox.api import Row
from analytics_assets.sandbox.http import Request, Response
from analytics_assets.sandbox.pagination import Page
from analytics_assets_tests.fake_api.api import Endpoint


def as_csv(rows: Sequence[Row], names: Sequence[str] = ("id", "name")) -> bytes:
    """The rows below a header line."""
    text = io.StringIO()
    writer = csv.DictWriter(text, names)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_json_lines(rows: Sequence[Row]) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


@dataclass(frozen=True)
class TextEndpoint(Endpoint):
    """One path that returns rows in pages, as text.

    Attributes:
        write: Writes the rows of a page.
        text_headers: Headers of each response.
    """

    write: Callable[[Sequence[Row]], bytes] = as_csv
    text_headers: Mapping[str, str] = field(default_factory=lambda: {"Content-Type": "text/csv"})

    def response(self, page: Page, request: Request) -> Response:
        metadata = self.pagination.page_metadata(page, request)
        body = self.write(self._matching_rows(request)[page.start : page.stop])
        return Response(body=body, headers={**self.text_headers, **metadata.headers})
