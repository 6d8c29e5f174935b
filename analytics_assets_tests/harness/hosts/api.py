"""The API of the hosts, as a process that prints one line for each request: `python -m ...hosts.api`."""

from __future__ import annotations

import asyncio
import os
from datetime import datetime, timedelta, timezone
from typing import Any

import uvicorn

from analytics_assets.sandbox.http import Receive, Scope, Send
from analytics_assets_tests.fake_api import Api, CursorPagination, Endpoint, FakeServer, OAuth2, TimeFilter

DAYS = 364  # 52 weeks
ROWS_PER_DAY = 4
FIRST_DAY = datetime(2024, 12, 29, tzinfo=timezone.utc)  # a Sunday
RESOURCES = ("orders", "customers")
TOKEN_SECONDS = 15
CLIENT_SECRET = "sh0p-s3cret"
REFRESH_TOKEN = "r3fresh-0"


def rows(resource: str) -> list[dict[str, Any]]:
    """A year of rows."""
    step = timedelta(days=1) / ROWS_PER_DAY
    return [
        {"id": n, "updated_at": (FIRST_DAY + n * step).strftime("%Y-%m-%dT%H:%M:%SZ"), "name": f"{resource} {n}"}
        for n in range(DAYS * ROWS_PER_DAY)
    ]


def build_server() -> FakeServer:
    """An API whose refresh tokens work once. The reuse of one revokes all tokens, so that all later requests fail."""
    updated = TimeFilter("updated_at", {"since": "{start}", "until": "{end}"})
    endpoints = [
        Endpoint(
            f"/v1/{resource}",
            rows(resource),
            pagination=CursorPagination(max_limit=50, has_more_path="hasNext"),
            updated=updated,
        )
        for resource in RESOURCES
    ]
    auth = OAuth2("shop-client", CLIENT_SECRET, refresh_token=REFRESH_TOKEN, lifetime=TOKEN_SECONDS, rotate=True)
    return FakeServer([Api("shop", endpoints, auth=auth)])


class SlowApi:
    """An API that takes some time for each page, and prints the client's address, path and status of each request."""

    def __init__(self, latency: float) -> None:
        self.server = build_server()
        self.latency = latency

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_printed(message: Any) -> None:
            if message["type"] == "http.response.start":
                if "/v1/" in scope["path"]:
                    await asyncio.sleep(self.latency)
                print(scope["client"][0], scope["path"], message["status"], flush=True)
            await send(message)

        await self.server(scope, receive, send_printed)


if __name__ == "__main__":
    uvicorn.run(SlowApi(float(os.environ["API_LATENCY"])), host="0.0.0.0", port=8000, lifespan="off", log_config=None)
