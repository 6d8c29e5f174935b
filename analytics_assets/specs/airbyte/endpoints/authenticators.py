"""Authenticators of a manifest as `auth` of a defs.yaml."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from jinja2 import nodes

from analytics_assets.specs.airbyte.renderer import OmittedValueError, Renderer
from analytics_assets.specs.airbyte.templates import (
    Expression,
    NotExpressibleError,
    Text,
    expression,
    is_template,
    parse,
)

LOCATIONS = {"header": "header", "request_parameter": "query", "body_data": "body", "body_json": "body"}
DURATION = re.compile(r"P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)S)?)?")
SECONDS = (366 * 86_400, 31 * 86_400, 7 * 86_400, 86_400, 3600, 60, 1)


def convert_auth(authenticator: Any, renderer: Renderer) -> Any:
    """The value of `auth`; None if requests need no credentials.

    Raises:
        NotExpressibleError: The authenticator has no counterpart.
    """
    if not isinstance(authenticator, Mapping):
        return None
    kind = str(authenticator.get("type", ""))
    if kind == "SelectiveAuthenticator":
        alternatives = authenticator.get("authenticators")
        listed = alternatives.values() if isinstance(alternatives, Mapping) else ()
        converted = [found for each in listed if (found := convert_auth(each, renderer)) is not None]
        # The first alternative whose variables are all set is used: one with a part of another's variables is later.
        return (
            sorted(converted, key=lambda auth: sum(_variables(auth) < _variables(each) for each in converted)) or None
        )
    if kind == "NoAuth":
        return None
    if kind not in CONVERTERS:
        raise NotExpressibleError(f"the authenticator {authenticator.get('class_name') or kind or 'without type'}")
    try:
        return CONVERTERS[kind](authenticator, renderer)
    except OmittedValueError as omitted:
        raise NotExpressibleError(f"a credential from the optional setting {omitted.setting.name}") from None


def _variables(auth: Any) -> set[str]:
    """The environment variables in a value of `auth`."""
    if isinstance(auth, dict):
        return {str(auth["env"])} if set(auth) == {"env"} else set[str]().union(*map(_variables, auth.values()))
    return set[str]().union(*map(_variables, auth)) if isinstance(auth, list) else set()


def _bearer(component: Mapping[str, Any], renderer: Renderer) -> dict[str, Any]:
    prefix, secret = _secret(component.get("api_token"), "api_token", renderer)
    if prefix:
        return {"type": "api_key", "name": "Authorization", "api_key": secret, "prefix": f"Bearer {prefix}"}
    return {"type": "bearer", "token": secret}


def _api_key(component: Mapping[str, Any], renderer: Renderer) -> dict[str, Any]:
    option = component.get("inject_into")
    option = option if isinstance(option, Mapping) else {}
    name = option.get("field_name") or component.get("header") or _joined(option.get("field_path")) or "Authorization"
    location = LOCATIONS.get(str(option.get("inject_into") or "header"))
    if location is None:
        raise NotExpressibleError(f"an API key in {option.get('inject_into')}")
    prefix, secret = _secret(component.get("api_token"), "api_key", renderer, prefixed=location == "header")
    auth = {"type": "api_key", "name": str(name), "api_key": secret}
    if location != "header":
        auth["location"] = location
    return {**auth, "prefix": prefix} if prefix else auth


def _basic(component: Mapping[str, Any], renderer: Renderer) -> dict[str, Any]:
    username = component.get("username")
    if not username:
        raise NotExpressibleError("HTTP basic authentication without a user name")
    user = username if not is_template(username) else _secret(username, "username", renderer, prefixed=False)[1]
    password = component.get("password")
    secret = _secret(password, "password", renderer, prefixed=False)[1] if password else ""
    return {"type": "http_basic", "username": str(user) if not isinstance(user, dict) else user, "password": secret}


def _oauth(component: Mapping[str, Any], renderer: Renderer) -> dict[str, Any]:
    url = component.get("token_refresh_endpoint")
    if not url:
        raise NotExpressibleError("an OAuth authenticator without a token endpoint")
    if component.get("access_token_name", "access_token") != "access_token":
        raise NotExpressibleError("an OAuth token response with another name than access_token")
    for key in ("client_id_name", "client_secret_name", "refresh_token_name", "grant_type_name", "profile_assertion"):
        if key in component:
            raise NotExpressibleError(f"an OAuth request with {key}")
    grant = component.get("grant_type") or "refresh_token"
    has_refresh_token = bool(component.get("refresh_token")) and grant != "client_credentials"
    auth: dict[str, Any] = {"type": "oauth2"}
    auth["client_id"] = _secret(component.get("client_id"), "client_id", renderer, prefixed=False)[1]
    secret = component.get("client_secret")
    auth["client_secret"] = _secret(secret, "client_secret", renderer, prefixed=False)[1] if secret else ""
    if has_refresh_token:
        auth["refresh_token"] = _secret(component["refresh_token"], "refresh_token", renderer, prefixed=False)[1]
    auth["token_url"] = literal_or_variable(url, "token_url", renderer)
    if _sends_basic(component.get("refresh_request_headers")):
        auth["client_auth"] = "basic"
    scopes = component.get("scopes")
    if isinstance(scopes, list) and scopes:
        auth["scope"] = " ".join(map(str, scopes))
    fields = dict(body) if isinstance(body := component.get("refresh_request_body"), Mapping) else {}
    if grant not in ("refresh_token", "client_credentials"):
        fields["grant_type"] = grant
    if fields:
        auth["access_token_request_data"] = _fields(fields, renderer)
    return auth


def _session_token(component: Mapping[str, Any], renderer: Renderer) -> dict[str, Any]:
    login = component.get("login_requester")
    path = component.get("session_token_path")
    if not isinstance(login, Mapping) or not isinstance(path, list) or not path:
        raise NotExpressibleError("a session token without a login request")
    url = join_url(str(login.get("url_base", "") or login.get("url", "")), str(login.get("path", "") or ""))
    request: dict[str, Any] = {"url": literal_or_variable(url, "login_url", renderer)}
    if (method := str(login.get("http_method", "GET")).upper()) != "POST":
        request["method"] = method
    headers = _fields(login.get("request_headers"), renderer)
    if inner := convert_auth(login.get("authenticator"), renderer):
        if not isinstance(inner, dict) or inner["type"] not in ("http_basic", "api_key") or inner.get("prefix"):
            raise NotExpressibleError("the authentication of the login request")
        if inner["type"] == "http_basic":
            request["auth"] = inner
        elif inner.get("location", "header") == "header":
            headers[inner["name"]] = inner["api_key"]
        else:
            raise NotExpressibleError("the authentication of the login request")
    request |= {"headers": headers} if headers else {}
    for key, name in (("params", "request_parameters"), ("json", "request_body_json"), ("data", "request_body_data")):
        if login.get(name):
            request[key] = _fields(login[name], renderer)
    auth: dict[str, Any] = {"type": "login", "request": request, "token_path": ".".join(map(str, path))}
    if seconds := duration_seconds(component.get("expiration_duration")):
        auth["lifetime"] = seconds
    place = component.get("request_authentication")
    if isinstance(place, Mapping) and place.get("type") == "ApiKey" and isinstance(place.get("inject_into"), Mapping):
        option = place["inject_into"]
        if option.get("inject_into") == "request_parameter":
            return {**auth, "param": str(option.get("field_name"))}
        header = str(option.get("field_name"))
        return {**auth, "header": header, **({"prefix": ""} if header.lower() == "authorization" else {})}
    return auth


CONVERTERS = {
    "BearerAuthenticator": _bearer,
    "ApiKeyAuthenticator": _api_key,
    "BasicHttpAuthenticator": _basic,
    "OAuthAuthenticator": _oauth,
    "SessionTokenAuthenticator": _session_token,
}


def _secret(value: Any, name: str, renderer: Renderer, *, prefixed: bool = True) -> tuple[str, dict[str, str]]:
    """The literal text before a secret, and the variable that holds the secret."""
    if not is_template(value):
        variable = renderer.reference(name)
        renderer.notes.append(f"{variable['env']} is a constant in the manifest of the connector.")
        return "", variable
    try:
        parts = parse(str(value).strip())
    except NotExpressibleError:
        parts = []
    if prefixed and len(parts) == 2:
        text, part = parts
        if isinstance(text, Text) and isinstance(part, Expression) and (found := renderer.setting(part)):
            return text.value, renderer.reference(found[0].name)
    if len(parts) == 1 and isinstance(parts[0], Expression):
        if found := renderer.setting(parts[0]):
            return "", renderer.reference(found[0].name)
        if fallback := _first_setting(parts[0].node, renderer):
            return "", renderer.reference(fallback)
    variable = renderer.reference(name)
    renderer.notes.append(f"{variable['env']} is what the connector computes as {' '.join(str(value).split())[:160]}")
    return "", variable


def _first_setting(node: nodes.Expr, renderer: Renderer) -> str | None:
    """The setting of `config.a or config.b`: the first one."""
    if isinstance(node, nodes.Or) and (found := renderer.setting(Expression(node.left, ""))):
        return found[0].name
    return None


def _fields(fields: Any, renderer: Renderer) -> dict[str, Any]:
    """Fields of a request for a token: texts, and references to variables."""
    converted: dict[str, Any] = {}
    for name, value in fields.items() if isinstance(fields, Mapping) else ():
        if is_template(value):
            converted[str(name)] = _secret(value, str(name), renderer, prefixed=False)[1]
        elif isinstance(value, (str, int, float)) and not isinstance(value, bool):
            converted[str(name)] = str(value)
        elif value is not None:
            raise NotExpressibleError(f"the field {name} of a request for a token")
    return converted


def literal_or_variable(url: Any, name: str, renderer: Renderer) -> Any:
    """A literal URL, or the variable of one that contains templates."""
    if not is_template(url):
        return str(url)
    variable = renderer.reference(name)
    if found := (part := expression(url)) and renderer.setting(part):
        return renderer.reference(found[0].name)
    renderer.notes.append(f"{variable['env']} is {' '.join(str(url).split())[:200]}")
    return variable


def _sends_basic(headers: Any) -> bool:
    if not isinstance(headers, Mapping):
        return False
    authorization = next((str(value) for name, value in headers.items() if str(name).lower() == "authorization"), "")
    if authorization and not authorization.startswith("Basic "):
        raise NotExpressibleError("the header Authorization of the request for a token")
    return bool(authorization)


def join_url(base: str, path: str) -> str:
    """A path below a base URL."""
    if not path:
        return base
    return f"{base.rstrip('/')}/{path.lstrip('/')}"


def duration_seconds(text: Any) -> int:
    """The seconds of an ISO 8601 duration, a month as 31 days and a year as 366; 0 if it is none."""
    match = DURATION.fullmatch(text) if isinstance(text, str) else None
    if match is None:
        return 0
    return sum(int(number) * seconds for number, seconds in zip(match.groups(), SECONDS, strict=True) if number)


def _joined(path: Any) -> str | None:
    return ".".join(map(str, path)) if isinstance(path, list) and path else None
