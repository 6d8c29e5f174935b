"""A token endpoint on a socket, and authenticators that use it."""

from __future__ import annotations

import json
import threading
from base64 import b64decode
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest
import urllib3

from analytics_assets.rest_api.auth.authenticator import Authenticator, build_authenticator
from analytics_assets.rest_api.auth.token_store import build_token_store
from analytics_assets.rest_api.auth.tokens import TokenRequest
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.state.store import choose_state_store
from analytics_assets_tests.support.auth import resolve_credentials
from analytics_assets_tests.support.clock import Clock

OAUTH2 = {
    "type": "oauth2",
    "client_id": {"env": "API_CLIENT_ID"},
    "client_secret": {"env": "API_CLIENT_SECRET"},
    "token_url": {"env": "API_TOKEN_URL"},
}
ROTATING = {**OAUTH2, "refresh_token": {"env": "API_REFRESH_TOKEN"}}
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "cl:ent-id", "cl/ent s3cret", "r3fresh-0"
SECRETS = (CLIENT_SECRET, "r3fresh-", "acc3ss-", "people's data")


class TokenHandler(BaseHTTPRequestHandler):
    """Answers token requests as an authorization server does, unless a response is prepared."""

    server: TokenServer

    def do_POST(self) -> None:
        form = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = dict(parse_qsl(form, strict_parsing=True))
        with self.server.lock:
            self.server.requests.append((fields, dict(self.headers)))
            self.server.requested.set()
            body: Any
            status, body = self.server.issue(fields, self.headers.get("Authorization"))
            if self.server.prepared:
                status, body = self.server.prepared.popleft()
        assert self.server.may_respond.wait(timeout=60)
        if status == 0:
            self.close_connection = True
            return
        payload = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args: object) -> None:
        pass


class TokenServer(ThreadingHTTPServer):
    """Counts the tokens it issues. A refresh token that is sent twice revokes its family, as RFC 6819 advises."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), TokenHandler)
        self.lock = threading.Lock()
        self.requests: list[tuple[dict[str, str], dict[str, str]]] = []
        self.requested = threading.Event()
        self.may_respond = threading.Event()
        self.may_respond.set()
        self.prepared: deque[tuple[int, Any]] = deque()  # responses in place of the usual ones, by status and body
        self.token_fields: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600}
        self.status = 200
        self.issued = 0
        self.families: dict[str, list[str]] = {REFRESH_TOKEN: [REFRESH_TOKEN]}
        self.reused: list[str] = []
        self.store: dict[str, str] = {}  # the variables that choose the token store

    @property
    def environ(self) -> dict[str, str]:
        return {
            "API_CLIENT_ID": CLIENT_ID,
            "API_CLIENT_SECRET": CLIENT_SECRET,
            "API_REFRESH_TOKEN": REFRESH_TOKEN,
            "API_TOKEN_URL": f"http://127.0.0.1:{self.server_port}/oauth/token",
            **self.store,
        }

    def issue(self, fields: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any]]:
        basic = b64decode((authorization or "").removeprefix("Basic ")).decode()
        if basic != "cl%3Aent-id:cl%2Fent+s3cret" and (
            fields.get("client_id"),
            fields.get("client_secret"),
        ) != (CLIENT_ID, CLIENT_SECRET):
            return 401, {"error": "invalid_client", "error_description": f"{fields} of people's data"}
        self.issued += 1
        body = {**self.token_fields, "access_token": f"acc3ss-{self.issued}"}
        if fields["grant_type"] == "client_credentials":
            return self.status, body
        sent = fields["refresh_token"]
        family = next((tokens for tokens in self.families.values() if sent in tokens), [])
        if not family or family[-1] != sent:
            self.issued -= 1
            self.reused += [sent] if family else []
            family += ["revoked"] if family else []
            return 400, {"error": "invalid_grant", "error_description": f"{sent} of people's data"}
        family.append(f"{family[0]}-{len(family)}")
        return self.status, {**body, "refresh_token": family[-1]}


EVERY_STORE = pytest.mark.parametrize("server", ["folder", "table"], indirect=True)


class FormResponse:
    """A `TokenResponse`."""

    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status, self.body = response.status, response.data


def send(request: TokenRequest) -> FormResponse:
    """Send a token request by another HTTP client than the package's."""
    try:
        return FormResponse(
            urllib3.request(
                request.method, request.url, body=request.body, headers=request.headers, retries=False, timeout=30
            )
        )
    except urllib3.exceptions.HTTPError as error:
        raise ResponseError(f"{request.method} token endpoint failed: {type(error).__name__}") from None


def authenticator(
    state: Path,
    environ: dict[str, str],
    auth: dict[str, Any] = OAUTH2,
    *,
    clock: Clock | None = None,
) -> Authenticator:
    """An authenticator with the variables of `environ` and files below `state`."""
    return build_authenticator(
        resolve_credentials(auth, environ),
        store=build_token_store(choose_state_store(environ, state)),
        send=send,
        clock=(clock or Clock()).time,
    )


def access_token(signer: Authenticator) -> str:
    """The access token of a request that is signed now."""
    headers: dict[str, str] = {}
    signer.sign({}, headers)
    return headers["Authorization"].removeprefix("Bearer ")


def refresh(signer: Authenticator) -> bool:
    """Refresh as the HTTP client does after a 401."""
    return signer.refresh(signer.sign({}, {}))


def assert_no_secret(*texts: object) -> None:
    """Fail if a text contains a secret, or a part of a response that messages must not repeat."""
    for text in texts:
        assert not [secret for secret in SECRETS if secret in str(text)]
