"""APIs with secrets, most of which fail: each case is an API, its credentials, and what the run's log says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import quote

from analytics_assets.sandbox.http import encode_json
from analytics_assets_tests.fake_api import (
    Api,
    ApiKey,
    Auth,
    Bearer,
    Endpoint,
    Exchange,
    Fault,
    HttpBasic,
    Login,
    OAuth2,
    OffsetPagination,
    Response,
    faults,
)

PERSON = "Zoë-Priv4te of Hidden-Street 7"  # in the bodies of error responses, outside of the API's reason
TOKEN_PATH = "/oauth/token"
LOGIN_PATH = "/auth/login"
AUTH_KEYS: dict[type[Any], dict[str, Any]] = {
    OAuth2: {"type": "oauth2", "client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET", "token_url": "TOKEN_URL"},
    Bearer: {"type": "bearer", "token": "API_TOKEN"},
    HttpBasic: {"type": "http_basic", "username": "USERNAME", "password": "PASSWORD"},
}


@dataclass(frozen=True, kw_only=True)
class LeakCase:
    """One API, and the outcome of its load.

    Attributes:
        auth: The credentials that the API accepts.
        error: Text of the error message. Without one, the load succeeds.
        fault: A fault in each response.
        fault_path: The path with the fault.
        client: Keys of the YAML's `client`.
        endpoint: Keys of the resource's `endpoint`.
        environ: Variables with other values than the right ones, without the API's prefix.
    """

    auth: Auth | None = None
    error: str = ""
    fault: Fault | None = None
    fault_path: str = "/rows"
    client: Mapping[str, Any] = field(default_factory=dict)
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)
    rows: tuple[Mapping[str, Any], ...] = ({"id": 1, "name": "Ada"}, {"id": 2, "name": "Bo"}, {"id": 3, "name": "Cy"})

    def build_api(self, name: str) -> Api:
        endpoint = Endpoint("/rows", self.rows, pagination=OffsetPagination(max_limit=2))
        return Api(name, [endpoint], auth=self.auth or (), strict=False)

    def defs_yaml(self, name: str) -> dict[str, Any]:
        """The content of the API's defs.yaml."""
        client = {"base_url": {"env": f"{name.upper()}_BASE_URL"}, **self.client}
        if self.auth is not None:
            client["auth"] = auth_config(self.auth, name)
        return {
            "type": "analytics_assets.components.RestApi",
            "attributes": {
                "client": client,
                "resources": [
                    {
                        "name": "rows",
                        "primary_key": "id",
                        "endpoint": {
                            "data_selector": "data",
                            "paginator": {"type": "offset", "limit": 2},
                            "error_handler": {"max_retries": 1, "backoff_factor": 0},
                            **self.endpoint,
                        },
                    }
                ],
            },
        }


def auth_config(auth: Auth, api: str) -> dict[str, Any]:
    """The YAML's `auth` for these credentials, with secrets from the API's variables."""
    prefix = api.upper()
    if isinstance(auth, ApiKey):
        key = {"env": f"{prefix}_API_KEY"}
        return {"type": "api_key", "name": auth.name, "location": auth.location, "api_key": key}
    if isinstance(auth, Login):
        user = {name: {"env": f"{prefix}_{name.upper()}"} for name in ("email", "password")}
        return {
            "type": "login",
            "request": {"path": auth.login_path, "json": user},
            "token_path": "data.access_token",
            "refresh": {"path": auth.refresh_path, "json": {"refresh_token": "{refresh_token}"}},
            "refresh_token_path": "data.refresh_token",
        }
    config = {
        key: {"env": f"{prefix}_{value}"} if value.isupper() else value for key, value in AUTH_KEYS[type(auth)].items()
    }
    if isinstance(auth, OAuth2):
        config["client_auth"] = auth.client_auth
        if auth.refresh_token:
            config["refresh_token"] = {"env": f"{prefix}_REFRESH_TOKEN"}
    return config


def secret(name: str) -> str:
    """A unique value with characters that URLs, forms and JSON encode."""
    return f"s3cret/{name}+of=us&%Zq9"


def encoded_secret(name: str) -> str:
    return quote(secret(name), safe="")


def echo(status: int, *, content_type: str = "application/json", cut: int = 0) -> Fault:
    """A response that repeats the whole request as the API's reason, with a person in another field."""

    def respond(exchange: Exchange) -> Response:
        request = exchange.request
        received = [f"{name}: {value}" for name, value in {**request.query, **request.headers}.items()]
        body = encode_json({"error": [*received, request.body.decode()], "person": PERSON})
        if content_type == "text/html":
            body = b"<html><title>" + body + b"</title></html>"
        return Response(status, body[: len(body) - cut], {"Content-Type": content_type})

    return respond


def redirect(status: int, other_url: str) -> Fault:
    """A redirect to another host, with the request's query."""

    def respond(exchange: Exchange) -> Response:
        query = "&".join(f"{name}={value}" for name, value in exchange.request.query.items())
        return Response(status, headers={"Location": f"{other_url}/stolen?{query}"})

    return respond


def api_key(name: str, location: Any = "query") -> ApiKey:
    return ApiKey(secret(name), name="X-Key" if location == "header" else "key", location=location)


def rotating(name: str) -> OAuth2:
    client_secret = secret(f"{name}-client")
    return OAuth2(f"client-{name}", client_secret, refresh_token=secret(f"{name}-refresh"), rotate=True)


def login(name: str) -> Login:
    return Login(secret(f"{name}-email"), secret(f"{name}-password"))


def leak_cases(*, other_url: str, closed_url: str, self_signed_url: str) -> dict[str, LeakCase]:
    """All cases by the names of their APIs.

    Args:
        other_url: A server that records its requests.
        closed_url: A URL where nothing listens.
        self_signed_url: A server whose certificate is not trusted.
    """
    good = _good_cases()
    wrong_secrets = {
        "query": ("API_KEY", "401"),
        "header": ("API_KEY", "401"),
        "cookie": ("API_KEY", "401"),
        "bearer": ("API_TOKEN", "401"),
        "basic": ("PASSWORD", "401"),
        "rotating": ("REFRESH_TOKEN", "A new authorization is needed"),
        "client": ("CLIENT_SECRET", "(invalid_client)"),
        "login": ("PASSWORD", "returned 401. Check WRONG_LOGIN_EMAIL"),
    }
    wrong = {
        f"wrong_{name}": replace(good[f"good_{name}"], error=error, environ={variable: secret(f"wrong-{name}")})
        for name, (variable, error) in wrong_secrets.items()
    }
    return {
        **good,
        **wrong,
        **_response_cases(other_url),
        **_token_cases(other_url),
        **_configuration_cases(closed_url, self_signed_url),
    }


def _good_cases() -> dict[str, LeakCase]:
    return {
        "good_query": LeakCase(auth=api_key("query")),
        "good_header": LeakCase(auth=api_key("header", "header")),
        "good_cookie": LeakCase(auth=api_key("cookie", "cookie")),
        "good_bearer": LeakCase(auth=Bearer(secret("bearer"))),
        "good_basic": LeakCase(auth=HttpBasic("me", secret("basic"))),
        "good_rotating": LeakCase(auth=rotating("rotating")),
        "good_client": LeakCase(auth=OAuth2("me", secret("client"), client_auth="basic")),
        "good_login": LeakCase(auth=login("login")),
        "good_headers": LeakCase(
            client={"headers": {"X-Secret": {"env": "GOOD_HEADERS_FIRST"}}},
            endpoint={"headers": {"X-Other": {"env": "GOOD_HEADERS_SECOND"}}},
            environ={"FIRST": secret("of-header"), "SECOND": secret("of-endpoint")},
        ),
    }


def _response_cases(other_url: str) -> dict[str, LeakCase]:
    return {
        "login_401": LeakCase(auth=login("login-401"), error="401", fault=echo(401)),
        "always_401": LeakCase(auth=rotating("always-401"), error="401", fault=echo(401)),
        "error_500": LeakCase(auth=api_key("500"), error="500", fault=echo(500)),
        "error_400": LeakCase(auth=api_key("400", "cookie"), error="400", fault=echo(400)),
        "reset": LeakCase(auth=api_key("reset"), error="attempts", fault=faults.reset()),
        "redirect_302": LeakCase(
            auth=api_key("302"), error="redirects to another host", fault=redirect(302, other_url)
        ),
        "redirect_307": LeakCase(
            auth=Bearer(secret("307")), error="redirects to another host", fault=redirect(307, other_url)
        ),
        "link": LeakCase(
            auth=Bearer(secret("link")),
            error="leads to another host",
            fault=faults.edit(lambda body: body.update(next=f"{other_url}/stolen")),
            endpoint={"paginator": {"type": "json_link", "next_url_path": "next"}},
        ),
        "html": LeakCase(auth=api_key("html"), error="HTML", fault=echo(200, content_type="text/html")),
        "cut_json": LeakCase(auth=api_key("cut", "header"), error="valid JSON", fault=echo(200, cut=2)),
        "no_rows": LeakCase(auth=HttpBasic("me", secret("no-rows")), error="leads to nothing", fault=echo(200)),
        "null_key": LeakCase(
            auth=Bearer(secret("null-key")),
            error="is null or missing in 1 of 2 records",
            rows=({"id": 1, "name": PERSON}, {"id": None, "name": PERSON}),
        ),
        "list_as_key": LeakCase(
            auth=Bearer(secret("list-as-key")),
            error="changed its type",
            rows=({"id": 1, "name": PERSON}, {"id": [PERSON], "name": PERSON}),
        ),
    }


def _token_cases(other_url: str) -> dict[str, LeakCase]:
    """Faults of token endpoints."""

    def case(name: str, error: str, fault: Fault) -> LeakCase:
        return LeakCase(auth=rotating(name), error=error, fault=fault, fault_path=TOKEN_PATH)

    def login_case(name: str, error: str, fault: Fault) -> LeakCase:
        return LeakCase(auth=login(name), error=error, fault=fault, fault_path=LOGIN_PATH)

    return {
        "login_500": login_case("login-500", "500", echo(500)),
        "login_html": login_case("login-html", "without JSON", echo(200, content_type="text/html")),
        "login_echo": login_case("login-echo", "has no text at `token_path`", echo(200)),
        "login_lost": login_case("login-lost", "failed after 1 attempt", faults.drop_response()),
        "login_redirect": login_case("login-307", "307", redirect(307, other_url)),
        "token_500": case("token-500", "500", echo(500)),
        "token_400": case("token-400", "400", echo(400)),
        "token_html": case("token-html", "without a token", echo(200, content_type="text/html")),
        "token_lost": case("token-lost", "may have used up the refresh token", faults.drop_response()),
        "token_redirect": case("token-307", "307", redirect(307, other_url)),
    }


def _configuration_cases(closed_url: str, self_signed_url: str) -> dict[str, LeakCase]:
    """Variables with values that cannot be used."""
    return {
        "refused": LeakCase(
            auth=api_key("refused"), error="the connection was refused", environ={"BASE_URL": closed_url}
        ),
        "http_token_url": LeakCase(
            auth=rotating("http-token"),
            error="token_url is plain http",
            environ={"TOKEN_URL": "http://api.example.com/t"},
        ),
        "http_url": LeakCase(
            auth=Bearer(secret("http-url")), error="is plain http", environ={"BASE_URL": "http://api.example.com/v1"}
        ),
        "invalid_header": LeakCase(
            error="characters that are not allowed in a header",
            client={"headers": {"X-Secret": {"env": "INVALID_HEADER_FIRST"}}},
            environ={"FIRST": f"{secret('invalid-header')}\u2019"},
        ),
        "invalid_key": LeakCase(
            auth=api_key("invalid-key", "header"),
            error="characters that are not allowed in a header",
            environ={"API_KEY": f"{secret('other-key')}\u2019"},
        ),
        "partially_set": LeakCase(auth=rotating("partially-set"), error="partially set", environ={"CLIENT_SECRET": ""}),
        "query_in_url": LeakCase(
            error="without user, query and fragment",
            environ={"BASE_URL": f"{closed_url}/v1?key={encoded_secret('url-query')}"},
        ),
        "user_in_url": LeakCase(
            error="without user, query and fragment",
            environ={"BASE_URL": closed_url.replace("//", f"//me:{encoded_secret('url-user')}@")},
        ),
        "proxy": LeakCase(
            auth=Bearer(secret("behind-proxy")),
            error="the proxy from the environment",
            client={"allow_insecure_http": True},
            environ={"BASE_URL": "http://api.example.com/v1"},
        ),
        "self_signed": LeakCase(
            auth=Bearer(secret("tls")),
            error="TLS failed: the certificate is not trusted",
            client={"allow_insecure_http": True},
            environ={"BASE_URL": self_signed_url},
        ),
    }
