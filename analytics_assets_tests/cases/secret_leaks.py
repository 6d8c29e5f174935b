"""APIs that know secrets, and what goes wrong with them: each case is an API, its secrets, and what its run says."""

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
    OAuth2,
    OffsetPagination,
    Response,
    faults,
)

PERSON = "Zoë-Priv4te of Hidden-Street 7"  # stands in the bodies of failing answers
AUTHS: dict[type[Any], dict[str, Any]] = {
    OAuth2: {"type": "oauth2", "client_id": "CLIENT_ID", "client_secret": "CLIENT_SECRET", "token_url": "TOKEN_URL"},
    Bearer: {"type": "bearer", "token": "API_TOKEN"},
    HttpBasic: {"type": "http_basic", "username": "USERNAME", "password": "PASSWORD"},
}
TOKEN = "/oauth/token"


@dataclass(frozen=True)
class Case:
    """One API: what it asks for, what befalls it, and what the log says of it; nothing where it is loaded."""

    served: Auth | None
    said: str = ""
    fault: Fault | None = None
    at: str = "/rows"
    client: Mapping[str, Any] = field(default_factory=dict)  # keys of `client`
    endpoint: Mapping[str, Any] = field(default_factory=dict)
    environ: Mapping[str, str] = field(default_factory=dict)  # in place of the right values
    rows: tuple[Mapping[str, Any], ...] = ({"id": 1, "name": "Ada"}, {"id": 2, "name": "Bo"}, {"id": 3, "name": "Cy"})

    def api(self, name: str) -> Api:
        endpoint = Endpoint("/rows", self.rows, pagination=OffsetPagination(max_limit=2))
        return Api(name, [endpoint], auth=self.served or (), strict=False)

    def document(self, name: str) -> dict[str, Any]:
        """Its defs.yaml."""
        client = {"base_url": {"env": f"{name.upper()}_BASE_URL"}, **self.client}
        if self.served is not None:
            client["auth"] = auth_of(self.served, name)
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


def auth_of(served: Auth, name: str) -> dict[str, Any]:
    if isinstance(served, ApiKey):
        key = {"env": f"{name.upper()}_API_KEY"}
        return {"type": "api_key", "name": served.name, "location": served.location, "api_key": key}
    described = {
        key: {"env": f"{name.upper()}_{value}"} if value.isupper() else value
        for key, value in AUTHS[type(served)].items()
    }
    if isinstance(served, OAuth2):
        described["client_auth"] = served.client_auth
        if served.refresh_token:
            described["refresh_token"] = {"env": f"{name.upper()}_REFRESH_TOKEN"}
    return described


def secret(what: str) -> str:
    """A value that is nowhere else, with characters that URLs, forms and JSON write otherwise."""
    return f"s3cret/{what}+of=us&%Zq9"


def encoded(what: str) -> str:
    return quote(secret(what), safe="")


def echo(status: int, *, content_type: str = "application/json", cut: int = 0) -> Fault:
    """An answer that repeats all that the request carried, and a person beside it."""

    def answer(exchange: Exchange) -> Response:
        request = exchange.request
        body = encode_json({"error": [PERSON, request.query, request.headers, request.body.decode()]})
        if content_type == "text/html":
            body = b"<html><title>" + body + b"</title></html>"
        return Response(status, body[: len(body) - cut], {"Content-Type": content_type})

    return answer


def redirect(status: int, elsewhere: str) -> Fault:
    def answer(exchange: Exchange) -> Response:
        query = "&".join(f"{name}={value}" for name, value in exchange.request.query.items())
        return Response(status, headers={"Location": f"{elsewhere}/stolen?{query}"})

    return answer


def key(what: str, location: Any = "query") -> ApiKey:
    return ApiKey(secret(what), name="X-Key" if location == "header" else "key", location=location)


def rotating(what: str, **more: Any) -> OAuth2:
    client = secret(f"{what}-client")
    return OAuth2(f"client-{what}", client, refresh_token=secret(f"{what}-refresh"), rotate=True, **more)


def cases(elsewhere: str, closed: str, self_signed: str) -> dict[str, Case]:
    """All of them, by the names of their APIs. `elsewhere` records who comes, at `closed` nobody listens."""
    stray = ({"id": 1, "name": PERSON}, {"id": None, "name": PERSON})
    fingerprint = ({"id": 1, "name": PERSON}, {"id": [PERSON], "name": PERSON})
    loaded = {
        "good_query": Case(key("query")),
        "good_header": Case(key("header", "header")),
        "good_cookie": Case(key("cookie", "cookie")),
        "good_bearer": Case(Bearer(secret("bearer"))),
        "good_basic": Case(HttpBasic("me", secret("basic"))),
        "good_rotating": Case(rotating("rotating")),
        "good_client": Case(OAuth2("me", secret("client"), client_auth="basic")),
        "good_headers": Case(
            None,
            client={"headers": {"X-Secret": {"env": "GOOD_HEADERS_FIRST"}}},
            endpoint={"headers": {"X-Other": {"env": "GOOD_HEADERS_SECOND"}}},
            environ={"FIRST": secret("of-header"), "SECOND": secret("of-endpoint")},
        ),
    }
    wrong = {
        f"wrong_{name.removeprefix('good_')}": replace(
            case, said=said, environ={variable: secret(f"wrong-{name.removeprefix('good_')}")}
        )
        for name, variable, said in (
            ("good_query", "API_KEY", "returned 401"),
            ("good_header", "API_KEY", "returned 401"),
            ("good_cookie", "API_KEY", "returned 401"),
            ("good_bearer", "API_TOKEN", "returned 401"),
            ("good_basic", "PASSWORD", "returned 401"),
            ("good_rotating", "REFRESH_TOKEN", "A new authorization is needed"),
            ("good_client", "CLIENT_SECRET", "(invalid_client)"),
        )
        for case in [loaded[name]]
    }
    return {
        **loaded,
        **wrong,
        "for_ever_401": Case(rotating("for-ever-401"), "returned 401", echo(401)),
        "error_500": Case(key("500"), "500", echo(500)),
        "error_400": Case(key("400", "cookie"), "400", echo(400)),
        "cut_off": Case(key("cut"), "attempts", faults.reset()),
        "refused": Case(key("refused"), "the connection was refused", environ={"BASE_URL": closed}),
        "redirect_302": Case(key("302"), "redirects to another host", redirect(302, elsewhere)),
        "redirect_307": Case(Bearer(secret("307")), "redirects to another host", redirect(307, elsewhere)),
        "link": Case(
            Bearer(secret("link")),
            "leads to another host",
            faults.edit(lambda body: body.update(next=f"{elsewhere}/stolen")),
            endpoint={"paginator": {"type": "json_link", "next_url_path": "next"}},
        ),
        "html": Case(key("html"), "HTML or XML, not JSON", echo(200, content_type="text/html")),
        "broken": Case(key("broken", "header"), "no valid JSON", echo(200, cut=2)),
        "no_rows": Case(HttpBasic("me", secret("no-rows")), "leads to nothing in the answer {error: list[4]}", echo(200)),
        "no_key": Case(Bearer(secret("no-key")), "is null or missing in 1 of 2 records", rows=stray),
        "other_key": Case(Bearer(secret("other-key")), "changed its type", rows=fingerprint),
        "token_500": Case(rotating("token-500"), "answered 500", echo(500), TOKEN),
        "token_400": Case(rotating("token-400"), "answered 400", echo(400), TOKEN),
        "token_html": Case(rotating("token-html"), "without a token", echo(200, content_type="text/html"), TOKEN),
        "token_lost": Case(rotating("token-lost"), "may have used up the refresh token", faults.drop_response(), TOKEN),
        "token_elsewhere": Case(rotating("token-307"), "answered 307", redirect(307, elsewhere), TOKEN),
        "token_in_clear": Case(
            rotating("token-clear"), "token_url is plain http", environ={"TOKEN_URL": "http://api.example.com/t"}
        ),
        "odd_header": Case(
            None, "characters that are not allowed in a header",
            client={"headers": {"X-Secret": {"env": "ODD_HEADER_FIRST"}}},
            environ={"FIRST": f"{secret('odd-header')}\u2019"},
        ),
        "half_set": Case(rotating("half-set"), "are partially set", environ={"CLIENT_SECRET": ""}),
        "query_in_url": Case(
            None, "without user, query and fragment", environ={"BASE_URL": f"{closed}/v1?key={encoded('url-query')}"}
        ),
        "user_in_url": Case(
            None, "without user, query and fragment",
            environ={"BASE_URL": closed.replace("//", f"//me:{encoded('url-user')}@")},
        ),
        "in_the_clear": Case(
            Bearer(secret("clear")), "is plain http", environ={"BASE_URL": "http://api.example.com/v1"}
        ),
        "proxy": Case(
            Bearer(secret("behind-proxy")),
            "the proxy from the environment",
            client={"allow_insecure_http": True},
            environ={"BASE_URL": "http://api.example.com/v1"},
        ),
        "self_signed": Case(
            Bearer(secret("tls")), "TLS failed: the certificate is not trusted", environ={"BASE_URL": self_signed},
            client={"allow_insecure_http": True},
        ),
        "unprintable": Case(
            key("unprintable", "header"), "characters that are not allowed in a header",
            environ={"API_KEY": f"{secret('quoted')}\u2019"},
        ),
    }  # fmt: skip
