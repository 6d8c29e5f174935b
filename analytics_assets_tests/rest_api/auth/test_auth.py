"""Signing and renewing against a token endpoint on a socket, which rotates refresh tokens and notices their reuse."""

from __future__ import annotations

import json
import multiprocessing
import os
import resource
import shutil
import signal
import threading
from base64 import b64decode, b64encode
from collections import deque
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from multiprocessing.synchronize import Barrier, Event
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode

import pytest
import urllib3

from analytics_assets.rest_api.auth.authenticator import Authenticator, build_authenticator, build_token_store
from analytics_assets.rest_api.auth.credentials import Secrets
from analytics_assets.rest_api.auth.file_token_store import FileTokenStore
from analytics_assets.rest_api.auth.token_store import TokenStoreError
from analytics_assets.rest_api.config import Client
from analytics_assets.rest_api.errors import CredentialsError, ResponseError, RestApiError

OAUTH2 = {
    "type": "oauth2",
    "client_id": {"env": "API_CLIENT_ID"},
    "client_secret": {"env": "API_CLIENT_SECRET"},
    "token_url": {"env": "API_TOKEN_URL"},
}
ROTATING = {**OAUTH2, "refresh_token": {"env": "API_REFRESH_TOKEN"}}
CLIENT_ID, CLIENT_SECRET, REFRESH_TOKEN = "cl:ent-id", "cl/ent s3cret", "r3fresh-0"
SECRETS = (CLIENT_SECRET, "r3fresh-", "acc3ss-", "people's data")


class TokenEndpoint(BaseHTTPRequestHandler):
    """Answers token requests as an authorization server does, unless an answer is laid out for it."""

    server: TokenServer

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        fields = dict(parse_qsl(body, strict_parsing=True))
        with self.server.lock:
            self.server.requests.append((fields, dict(self.headers)))
            self.server.asked.set()
            status, answer = self.server.issue(fields, self.headers.get("Authorization"))
            if self.server.answers:
                status, answer = self.server.answers.popleft()
        assert self.server.may_answer.wait(timeout=60)
        if status == 0:
            self.close_connection = True
            return
        payload = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Length", str(len(payload)))
        self.end_headers()
        self.wfile.write(payload)

    def log_message(self, *args: object) -> None:
        pass


class TokenServer(ThreadingHTTPServer):
    """Counts what it issues. A refresh token that comes a second time revokes the family, as RFC 6819 advises."""

    request_queue_size = 64

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), TokenEndpoint)
        self.lock = threading.Lock()
        self.requests: list[tuple[dict[str, str], dict[str, str]]] = []
        self.asked = threading.Event()
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.answers: deque[tuple[int, Any]] = deque()
        self.answer: dict[str, Any] = {"token_type": "Bearer", "expires_in": 3600}
        self.status = 200
        self.issued = 0
        self.families: dict[str, list[str]] = {REFRESH_TOKEN: [REFRESH_TOKEN]}
        self.reused: list[str] = []
        self.store: dict[str, str] = {}  # the variables that say where tokens are kept

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
        answer = {**self.answer, "access_token": f"acc3ss-{self.issued}"}
        if fields["grant_type"] == "client_credentials":
            return self.status, answer
        sent = fields["refresh_token"]
        family = next((tokens for tokens in self.families.values() if sent in tokens), [])
        if not family or family[-1] != sent:
            self.issued -= 1
            self.reused += [sent] if family else []
            family += ["revoked"] if family else []
            return 400, {"error": "invalid_grant", "error_description": f"{sent} of people's data"}
        family.append(f"{family[0]}-{len(family)}")
        return self.status, {**answer, "refresh_token": family[-1]}


EVERY_STORE = pytest.mark.parametrize("server", ["folder", "table"], indirect=True)


@pytest.fixture
def server(request: pytest.FixtureRequest) -> Iterator[TokenServer]:
    """The token endpoint; by EVERY_STORE with tokens kept in files, and again in a table."""
    with TokenServer() as running:
        if getattr(request, "param", "folder") == "table":
            running.store = {"ANALYTICS_TOKEN_STORE": request.getfixturevalue("token_database")}
        threading.Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield running
        running.shutdown()


class Answer:
    def __init__(self, response: urllib3.BaseHTTPResponse) -> None:
        self.status, self.body = response.status, response.data


def post_form(url: str, fields: dict[str, str], headers: dict[str, str]) -> Answer:
    headers = {**headers, "Content-Type": "application/x-www-form-urlencoded"}
    try:
        return Answer(urllib3.request("POST", url, body=urlencode(fields), headers=headers, retries=False, timeout=30))
    except urllib3.exceptions.HTTPError as error:
        raise ResponseError(f"POST token endpoint failed: {type(error).__name__}") from None


class Clock:
    """Unix time that tests move."""

    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


def authenticator(
    state: Path,
    environ: dict[str, str],
    auth: dict[str, Any] = OAUTH2,
    *,
    clock: Clock | None = None,
) -> Authenticator:
    described = Client.model_validate({"base_url": "https://api.example.com", "auth": auth})
    built = build_authenticator(
        described,
        api="recruiting",
        secrets=Secrets(environ),
        store=build_token_store(environ, state),
        post_form=post_form,
        clock=clock or Clock(),
    )
    assert built is not None
    return built


def token(signer: Authenticator) -> str:
    """The access token that a request would carry now."""
    headers: dict[str, str] = {}
    signer.sign({}, headers)
    return headers["Authorization"].removeprefix("Bearer ")


def refresh(signer: Authenticator) -> bool:
    """What the client does after a 401 to the token at hand."""
    return signer.refresh(signer.sign({}, {}))


def assert_clean(*texts: object) -> None:
    for text in texts:
        assert not [secret for secret in SECRETS if secret in str(text)]


# Credentials that stay the same


@pytest.mark.parametrize(
    ("auth", "params", "headers", "hidden"),
    [
        (
            {"type": "api_key", "name": "key", "api_key": {"env": "KEY"}, "location": "query"},
            {"page": "1", "key": "k3y &"},
            {"accept": "*"},
            {"k3y &"},
        ),
        (
            {"type": "api_key", "name": "X-Key", "api_key": {"env": "TOKEN"}, "location": "header"},
            {"page": "1"},
            {"accept": "*", "X-Key": "t0ken"},
            {"t0ken"},
        ),
        (
            {"type": "api_key", "name": "session", "api_key": {"env": "TOKEN"}, "location": "cookie"},
            {"page": "1"},
            {"accept": "*", "Cookie": "session=t0ken"},
            {"t0ken"},
        ),
        (
            {"type": "bearer", "token": {"env": "TOKEN"}},
            {"page": "1"},
            {"accept": "*", "Authorization": "Bearer t0ken"},
            {"t0ken"},
        ),
        (
            {"type": "http_basic", "username": {"env": "USERNAME"}, "password": {"env": "PASSWORD"}},
            {"page": "1"},
            {"accept": "*", "Authorization": f"Basic {b64encode('üser:pass:wörd'.encode()).decode()}"},
            {"pass:wörd", b64encode("üser:pass:wörd".encode()).decode()},
        ),
        (
            {"type": "http_basic", "username": {"env": "TOKEN"}, "password": ""},
            {"page": "1"},
            {"accept": "*", "Authorization": f"Basic {b64encode(b't0ken:').decode()}"},
            {"t0ken", b64encode(b"t0ken:").decode()},
        ),
    ],
)
def test_static_credentials(
    auth: dict[str, Any], params: dict[str, str], headers: dict[str, str], hidden: set[str], tmp_path: Path
) -> None:
    environ = {"KEY": "k3y &", "TOKEN": "t0ken\n", "USERNAME": "üser", "PASSWORD": "pass:wörd"}
    signer = authenticator(tmp_path, environ, auth)
    signed: tuple[dict[str, str], dict[str, str]] = ({"page": "1"}, {"accept": "*"})
    used = signer.sign(*signed)
    assert signed == (params, headers)
    assert signer.secret_values() == hidden
    assert signer.refresh(used) is False
    for status in (401, 403):
        assert [name for name in environ if name in signer.rejection_hint(status)]
    assert "APIs also answer 403 to a wrong token" in signer.rejection_hint(403)
    assert list(tmp_path.iterdir()) == []


def test_a_signature_replaces_the_header_and_joins_the_cookies_of_a_request(tmp_path: Path) -> None:
    headers = {"authorization": "of the file", "cookie": "a=b"}
    authenticator(tmp_path, {"T": "t0ken"}, {"type": "bearer", "token": {"env": "T"}}).sign({}, headers)
    cookie = {"type": "api_key", "name": "s", "api_key": {"env": "T"}, "location": "cookie"}
    authenticator(tmp_path, {"T": "t0ken"}, cookie).sign({}, headers)
    assert headers == {"Authorization": "Bearer t0ken", "Cookie": "a=b; s=t0ken"}


@pytest.mark.parametrize(
    ("auth", "value"),
    [
        ({"type": "bearer", "token": {"env": "T"}}, "s3cret\u2019"),
        ({"type": "api_key", "name": "X-Key", "api_key": {"env": "T"}, "location": "header"}, "s3crét"),
        ({"type": "api_key", "name": "s", "api_key": {"env": "T"}, "location": "cookie"}, "s3cret; admin=1"),
        ({"type": "http_basic", "username": {"env": "T"}, "password": ""}, "s3cret:user"),
    ],
)
def test_what_cannot_be_carried_is_refused_by_name(auth: dict[str, Any], value: str, tmp_path: Path) -> None:
    with pytest.raises(CredentialsError, match=r"\bT\b") as caught:
        authenticator(tmp_path, {"T": value}, auth)
    assert "s3cr" not in str(caught.value)


def test_an_api_without_credentials_has_no_authenticator(tmp_path: Path) -> None:
    described = Client.model_validate({"base_url": "https://api.example.com"})
    store = FileTokenStore(tmp_path)
    assert build_authenticator(described, api="a", secrets=Secrets({}), store=store, post_form=post_form) is None


# The token request


@pytest.mark.parametrize(
    ("auth", "sent"),
    [
        (OAUTH2, {"grant_type": "client_credentials"}),
        (
            {**OAUTH2, "scope": "read write", "access_token_request_data": {"audience": {"env": "API_TOKEN_URL"}}},
            {"grant_type": "client_credentials", "scope": "read write", "audience": "{API_TOKEN_URL}"},
        ),
        (ROTATING, {"grant_type": "refresh_token", "refresh_token": REFRESH_TOKEN}),
    ],
)
@pytest.mark.parametrize("client_auth", ["body", "basic"])
def test_token_request(
    auth: dict[str, Any], sent: dict[str, str], client_auth: str, server: TokenServer, tmp_path: Path
) -> None:
    signer = authenticator(tmp_path, server.environ, {**auth, "client_auth": client_auth})
    assert token(signer) == "acc3ss-1"
    (fields, headers), *others = server.requests
    assert others == []
    in_body = {"client_id": CLIENT_ID, "client_secret": CLIENT_SECRET} if client_auth == "body" else {}
    assert fields == {name: value.format(**server.environ) for name, value in sent.items()} | in_body
    assert ("Authorization" in headers) == (client_auth == "basic")
    assert headers["Accept"] == "application/json"
    assert {CLIENT_SECRET, "acc3ss-1"} <= signer.secret_values()
    assert "" not in signer.secret_values()


@pytest.mark.parametrize("status", [200, 201])
@pytest.mark.parametrize(
    ("answer", "lives"),
    [
        ({"token_type": "bearer", "expires_in": 60}, 60),
        ({"token_type": "BEARER", "expires_in": "60"}, 60),
        ({"expires_in": 59.9}, 60),
        ({"expires_in": "60.0"}, 60),
        ({}, 600),
        ({"expires_in": None}, 600),
        ({"expires_in": 0}, 600),
        ({"expires_in": -1}, 600),
        ({"expires_in": "never"}, 600),
        ({"expires_in": "Infinity"}, 600),
        ({"expires_in": 10**400}, 600),
        ({"expires_in": {"seconds": 60}}, 600),
    ],
)
def test_expiry(status: int, answer: dict[str, Any], lives: float, server: TokenServer, tmp_path: Path) -> None:
    server.status, server.answer = status, answer
    clock = Clock()
    signer = authenticator(tmp_path, server.environ, {**OAUTH2, "default_token_expiration": 600}, clock=clock)
    assert [token(signer), token(signer)] == ["acc3ss-1", "acc3ss-1"]
    clock.now += lives * 0.89
    assert token(signer) == "acc3ss-1"
    clock.now += lives * 0.11
    assert token(signer) == "acc3ss-2"


@pytest.mark.parametrize(
    ("status", "answer", "kind", "expected"),
    [
        (400, {"error": "invalid_scope"}, CredentialsError, "answered 400 (invalid_scope). Check API_CLIENT_ID, API_"),
        (401, {"error": "invalid_client"}, CredentialsError, "answered 401 (invalid_client). Check API_CLIENT_ID, "),
        (200, {"error": "invalid_client"}, CredentialsError, "answered 200 (invalid_client). Check API_CLIENT_ID, "),
        (404, b"<html>people's data</html>", CredentialsError, "answered 404. Check API_CLIENT_ID, API_CLIENT_SECRET"),
        (400, {"error": "people's data"}, CredentialsError, "(127.0.0.1) answered 400. Check API_CLIENT_ID"),
        (400, {"error": {"code": "people's data"}}, CredentialsError, "answered 400. Check API_CLIENT_ID"),
        (302, {}, ResponseError, "answered 302, without a token. Try again later."),
        (429, {}, ResponseError, "answered 429, without a token. Try again later."),
        (503, {"error": "invalid"}, ResponseError, "answered 503, without a token. Try again later."),
        (200, b'{"access_token": "acc3ss-', ResponseError, "answered 200, without a token"),
        (200, ["acc3ss-"], ResponseError, "answered 200, without a token"),
        (200, {"access_token": 7}, ResponseError, "answered 200, without a token"),
        (200, {"access_token": "acc3ss-\n"}, ResponseError, "answered 200, without a token"),
        (200, {"access_token": ""}, ResponseError, "answered 200, without a token"),
        (200, b"[" * 100_000, ResponseError, "answered 200, without a token"),
        (0, None, ResponseError, "POST token endpoint failed: ProtocolError. Try again later."),
    ],
)
def test_refusals_say_where_and_what_to_do_and_repeat_nothing(
    status: int, answer: Any, kind: type[RestApiError], expected: str, server: TokenServer, tmp_path: Path
) -> None:
    server.answers.append((status, answer))
    signer = authenticator(tmp_path, server.environ)
    with pytest.raises(kind) as caught:
        token(signer)
    assert expected in str(caught.value)
    assert caught.value.__cause__ is None
    assert_clean(caught.value)
    assert token(signer).startswith("acc3ss-")


# One token for all


@EVERY_STORE
def test_threads_share_one_token_and_one_renewal(server: TokenServer, tmp_path: Path) -> None:
    signer = authenticator(tmp_path, server.environ, ROTATING)
    together = threading.Barrier(16)

    def work(_: int) -> tuple[str, bool, str]:
        together.wait(timeout=60)
        used = signer.sign({}, {})
        together.wait(timeout=60)
        return used, signer.refresh(used), token(signer)

    with ThreadPoolExecutor(16) as pool:
        results = set(pool.map(work, range(16)))
    assert len(results) == 1
    assert results.pop()[1:] == (True, "acc3ss-2")
    assert (server.issued, server.reused) == (2, [])


@EVERY_STORE
def test_one_fetch_per_lifetime_over_all_authenticators(server: TokenServer, tmp_path: Path) -> None:
    clock = Clock()
    signers = [authenticator(tmp_path, server.environ, clock=clock) for _ in range(4)]
    assert {token(signer) for signer in signers} == {"acc3ss-1"}
    clock.now += 3600
    assert {token(signer) for signer in signers} == {"acc3ss-2"}
    later = authenticator(tmp_path, server.environ, clock=clock)
    assert token(later) == "acc3ss-2"
    assert "acc3ss-2" in later.secret_values()


@EVERY_STORE
def test_a_401_takes_a_newer_stored_token_before_it_renews(server: TokenServer, tmp_path: Path) -> None:
    first, second = (authenticator(tmp_path, server.environ, ROTATING) for _ in range(2))
    assert token(first) == token(second) == "acc3ss-1"
    assert refresh(second)
    assert refresh(first)
    assert token(first) == token(second) == "acc3ss-2"
    assert server.issued == 2


def test_an_endpoint_that_issues_the_same_token_again_has_nothing_to_try(server: TokenServer, tmp_path: Path) -> None:
    signer = authenticator(tmp_path, server.environ)
    server.answers.extend([(200, {"access_token": "acc3ss-same"})] * 2)
    assert refresh(signer) is False
    assert "API_CLIENT_ID, API_CLIENT_SECRET, API_TOKEN_URL" in signer.rejection_hint(401)
    assert "API_CLIENT_ID, API_CLIENT_SECRET, API_TOKEN_URL: the credentials may lack" in signer.rejection_hint(403)


@EVERY_STORE
def test_a_change_of_scope_asks_anew_with_the_newest_refresh_token(server: TokenServer, tmp_path: Path) -> None:
    assert token(authenticator(tmp_path, server.environ, ROTATING)) == "acc3ss-1"
    wider = authenticator(tmp_path, server.environ, {**ROTATING, "scope": "all"})
    assert token(wider) == "acc3ss-2"
    assert server.requests[-1][0]["refresh_token"] == f"{REFRESH_TOKEN}-1"


@EVERY_STORE
def test_another_client_or_endpoint_has_a_token_of_its_own(server: TokenServer, tmp_path: Path) -> None:
    assert token(authenticator(tmp_path, server.environ)) == "acc3ss-1"
    url = server.environ["API_TOKEN_URL"] + "?tenant=2"
    assert token(authenticator(tmp_path, {**server.environ, "API_TOKEN_URL": url})) == "acc3ss-2"


TOGETHER: Barrier  # of the processes below


def work_in_process(state: str, environ: dict[str, str], rounds: int) -> list[str]:
    """Rounds in which every process has its token refused at the same moment."""
    signer = authenticator(Path(state), environ, ROTATING)
    tokens = []
    for _ in range(rounds):
        used = signer.sign({}, {})
        TOGETHER.wait(timeout=120)
        assert signer.refresh(used)
        TOGETHER.wait(timeout=120)
        tokens.append(token(signer))
    return tokens


def meet(barrier: Barrier) -> None:
    global TOGETHER
    TOGETHER = barrier


@EVERY_STORE
def test_processes_that_ask_at_once_use_each_refresh_token_once(server: TokenServer, tmp_path: Path) -> None:
    processes, rounds = 8, 5
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, context, meet, (context.Barrier(processes),)) as pool:
        work = [pool.submit(work_in_process, str(tmp_path), server.environ, rounds) for _ in range(processes)]
        results = {tuple(future.result(timeout=300)) for future in work}
    assert results == {tuple(f"acc3ss-{number + 2}" for number in range(rounds))}
    assert (server.issued, server.reused) == (rounds + 1, [])


def die_while_renewing(state: str, environ: dict[str, str]) -> None:
    """Killed with the lock held, before the refresh token is sent."""
    described = Client.model_validate({"base_url": "https://api.example.com", "auth": ROTATING})

    def die(*_: object) -> Answer:
        os.kill(os.getpid(), signal.SIGKILL)
        raise AssertionError

    signer = build_authenticator(
        described,
        api="recruiting",
        secrets=Secrets(environ),
        store=build_token_store(environ, Path(state)),
        post_form=die,
    )
    assert signer is not None
    signer.sign({}, {})


@EVERY_STORE
def test_a_crash_while_renewing_frees_the_lock_and_keeps_the_token(server: TokenServer, tmp_path: Path) -> None:
    signer = authenticator(tmp_path, server.environ, ROTATING)
    assert refresh(signer)
    clock = Clock()
    clock.now += 3600
    process = multiprocessing.get_context("spawn").Process(
        target=die_while_renewing, args=(str(tmp_path), server.environ)
    )
    process.start()
    process.join(timeout=120)
    assert process.exitcode == -signal.SIGKILL
    assert token(authenticator(tmp_path, server.environ, ROTATING, clock=clock)) == "acc3ss-3"
    assert server.reused == []


def renew_until_interrupted(state: str, environ: dict[str, str], interrupted: Event) -> None:
    def interrupt(*_: object) -> None:
        interrupted.set()
        raise KeyboardInterrupt

    signal.signal(signal.SIGINT, interrupt)
    authenticator(Path(state), environ, ROTATING).sign({}, {})


@EVERY_STORE
def test_an_interrupt_while_renewing_waits_until_the_token_is_kept(server: TokenServer, tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    interrupted = context.Event()
    arguments = (str(tmp_path), server.environ, interrupted)
    server.may_answer.clear()
    process = context.Process(target=renew_until_interrupted, args=arguments)
    process.start()
    assert server.asked.wait(timeout=60)
    assert process.pid is not None
    os.kill(process.pid, signal.SIGINT)
    assert interrupted.wait(timeout=60)
    server.may_answer.set()
    process.join(timeout=60)
    assert process.exitcode == 1
    assert token(authenticator(tmp_path, server.environ, ROTATING)) == "acc3ss-1"


# Refresh tokens that rotate


@EVERY_STORE
def test_short_lived_tokens_rotate_without_reuse(server: TokenServer, tmp_path: Path) -> None:
    server.answer = {"expires_in": 1}
    clock = Clock()
    signer = authenticator(tmp_path, server.environ, ROTATING, clock=clock)
    tokens = []
    for _ in range(50):
        tokens.append(token(signer))
        clock.now += 0.5
    assert tokens == [f"acc3ss-{number // 2 + 1}" for number in range(50)]
    assert server.reused == []
    assert {"acc3ss-25", f"{REFRESH_TOKEN}-25", REFRESH_TOKEN} <= signer.secret_values()


@EVERY_STORE
def test_an_answer_without_a_refresh_token_keeps_the_one_at_hand(server: TokenServer, tmp_path: Path) -> None:
    signer = authenticator(tmp_path, server.environ, ROTATING)
    server.answers.extend([(200, {"access_token": "a"}), (200, {"access_token": "b", "refresh_token": None})])
    assert refresh(signer)
    assert [fields["refresh_token"] for fields, _ in server.requests] == [REFRESH_TOKEN] * 2


@EVERY_STORE
def test_a_newly_configured_token_is_not_shadowed_by_a_stored_one(server: TokenServer, tmp_path: Path) -> None:
    server.families["n3w"] = ["n3w"]
    assert refresh(authenticator(tmp_path, server.environ, ROTATING))
    assert refresh(authenticator(tmp_path, {**server.environ, "API_REFRESH_TOKEN": "n3w"}, ROTATING))
    sent = [fields["refresh_token"] for fields, _ in server.requests]
    assert sent == [REFRESH_TOKEN, f"{REFRESH_TOKEN}-1", "n3w", "n3w-1"]


def test_the_files_of_tokens_are_private_and_named_by_no_secret(server: TokenServer, tmp_path: Path) -> None:
    token(authenticator(tmp_path, server.environ, ROTATING))
    (stored,) = (tmp_path / "tokens").glob("*.json")
    assert stored.stat().st_mode & 0o777 == 0o600
    assert {"acc3ss-1", f"{REFRESH_TOKEN}-1"} <= set(json.loads(stored.read_text()).values())
    assert_clean(*tmp_path.rglob("*"))
    assert CLIENT_SECRET not in stored.read_text()


def test_a_refused_refresh_token_asks_for_a_new_authorization(server: TokenServer, tmp_path: Path) -> None:
    server.families.clear()
    with pytest.raises(CredentialsError, match=r"new authorization is needed.*set API_REFRESH_TOKEN to the") as caught:
        token(authenticator(tmp_path, server.environ, ROTATING))
    assert_clean(caught.value)


@EVERY_STORE
@pytest.mark.parametrize("answer", [(0, None), (502, b"<html>"), (200, b'{"access_token": "acc3ss-1", "refr')])
def test_a_lost_answer_says_that_the_token_may_be_used_up(
    answer: tuple[int, Any], server: TokenServer, tmp_path: Path
) -> None:
    signer = authenticator(tmp_path, server.environ, ROTATING)
    server.answers.append(answer)
    with pytest.raises(ResponseError, match=r"may have used up the refresh token.*set API_REFRESH_TOKEN") as caught:
        token(signer)
    assert_clean(caught.value)
    with pytest.raises(CredentialsError, match="new authorization is needed"):
        token(signer)
    server.families["n3w"] = ["n3w"]
    assert token(authenticator(tmp_path, {**server.environ, "API_REFRESH_TOKEN": "n3w"}, ROTATING))


def test_a_refresh_token_is_not_spent_when_the_new_one_cannot_be_kept(server: TokenServer, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.write_text("a file in the way")
    with pytest.raises(TokenStoreError, match="ANALYTICS_STATE_DIR"):
        token(authenticator(state, server.environ, ROTATING))
    assert server.requests == []
    state.unlink()
    assert token(authenticator(state, server.environ, ROTATING)) == "acc3ss-1"


def test_a_refresh_token_is_not_spent_when_the_database_is_not_there(server: TokenServer, tmp_path: Path) -> None:
    environ = {**server.environ, "ANALYTICS_TOKEN_STORE": "postgresql://me:s3cret@127.0.0.1:1/db"}
    with pytest.raises(TokenStoreError, match="ANALYTICS_TOKEN_STORE names: nothing listens") as caught:
        token(authenticator(tmp_path, environ, ROTATING))
    assert server.requests == []
    assert "s3cret" not in str(caught.value)


def test_a_token_that_could_not_be_kept_needs_a_new_authorization(
    server: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The folder goes away while the endpoint answers."""
    signer = authenticator(tmp_path / "state", server.environ, ROTATING)

    def issue_and_remove(fields: dict[str, str], authorization: str | None) -> tuple[int, dict[str, Any]]:
        shutil.rmtree(tmp_path / "state")
        return issue(fields, authorization)

    issue = server.issue
    monkeypatch.setattr(server, "issue", issue_and_remove)
    with pytest.raises(TokenStoreError, match=r"is lost: authorize again.*set API_REFRESH_TOKEN") as caught:
        token(signer)
    assert_clean(caught.value)


def test_a_refresh_token_is_not_spent_on_a_full_disk(server: TokenServer, tmp_path: Path) -> None:
    """The limit on a file's size is what a disk with little space left looks like to a process."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    signer = authenticator(tmp_path, server.environ, ROTATING)
    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, hard))
    try:
        with pytest.raises(TokenStoreError, match="File too large"):
            token(signer)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert server.requests == []
    assert token(signer) == "acc3ss-1"


def test_client_credentials_go_on_without_a_store(
    server: TokenServer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    state = tmp_path / "state"
    state.write_text("a file in the way")
    signer = authenticator(state, server.environ)
    used = signer.sign({}, {})
    assert [token(signer), signer.refresh(used), signer.refresh(used), token(signer)] == [
        "acc3ss-1",
        True,
        True,
        "acc3ss-2",
    ]
    assert "ANALYTICS_STATE_DIR" in caplog.text
    assert_clean(caplog.text)
