"""Credentials of a probe: what a request is signed with, by name, and other ways to send a key that is rejected."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from analytics_assets.rest_api.auth.alternatives import select_auth
from analytics_assets.rest_api.auth.secret_reader import reference_name, variables
from analytics_assets.rest_api.config import (
    ApiKeyConfig,
    Auth,
    BearerConfig,
    HttpBasicConfig,
    LoginConfig,
    OAuth2Config,
    SecretRef,
)
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.probe.findings import Problem
from analytics_assets.rest_api.probe.session import ProbeSession


def selected_auth(request: LoadRequest) -> Auth | None:
    """The authentication that the request's variables select; None if the API needs none.

    Raises:
        CredentialsError: No alternative is fully set.
    """
    own = request.resource.endpoint.auth
    return select_auth(request.client.auth if own is None else own, api=request.api, environ=request.environ)


def describe(auth: Auth | None) -> str:
    """What requests are signed with: kind, place and variables, never a value."""
    if auth is None:
        return "no credentials"
    names = ", ".join(variables(auth)) or "the YAML"
    if isinstance(auth, ApiKeyConfig):
        prefix = f" after {auth.prefix.strip()!r}" if auth.prefix else ""
        place = {"query": "query parameter", "body": "body's field"}.get(auth.location, auth.location)
        return f"the key of {reference_name(auth.api_key)} in the {place} `{auth.name}`{prefix}"
    if isinstance(auth, BearerConfig):
        return f"the bearer token of {names} in the header `Authorization`"
    if isinstance(auth, HttpBasicConfig):
        return f"HTTP basic authentication with {names} in the header `Authorization`"
    if isinstance(auth, OAuth2Config):
        return f"an OAuth2 access token in the header `Authorization`, requested with {names}"
    assert isinstance(auth, LoginConfig)
    return f"the token of a login, requested with {names}"


def rejection(session: ProbeSession, error: RestApiError | None) -> Problem:
    """The problem of a response with 401 or 403, and another way to send the key if the API accepts that."""
    request, response = session.request, session.client.last_response
    assert response
    auth = selected_auth(request)
    reason = session.client.error_reason(response)
    challenge = response.headers.get("WWW-Authenticate", "").split(" ")[0].rstrip(",")
    parts = [
        f"the API returned {response.status}{f' ({reason})' if reason else ''} to a request with {describe(auth)}",
        f"It asks for the scheme {challenge}" if challenge.isalpha() else "",
        _hint(session, response.status, error),
    ]
    message = ". ".join(filter(None, parts)).rstrip(".")
    for other in _other_places(auth) if response.status == 401 else ():
        if _is_accepted(request, other):
            keys = {"auth": _keys(other)}
            accepted = f"{message}. The API accepts {describe(other)}"
            if request.resource.endpoint.auth is None:
                return Problem(accepted, client_fix=keys)
            return Problem(accepted, fix={"endpoint": keys})
    return Problem(message)


def _hint(session: ProbeSession, status: int, error: RestApiError | None) -> str:
    if session.client.auth:
        return session.client.auth.rejection_hint(status)
    return "The API needs credentials: describe them under `client.auth`" if error else ""


def _other_places(auth: Auth | None) -> Iterator[Auth]:
    """Other headers for the same key. The query is not among them: servers log it."""
    if isinstance(auth, ApiKeyConfig):
        yield BearerConfig(token=auth.api_key)
        key: Any = auth.api_key
    elif isinstance(auth, BearerConfig):
        key = auth.token
    else:
        return
    yield ApiKeyConfig(api_key=key, prefix="Token ")
    yield ApiKeyConfig(api_key=key, name="X-API-Key")


def _is_accepted(request: LoadRequest, auth: Auth) -> bool:
    """Whether the API accepts another authentication."""
    client = request.client.model_copy(update={"auth": (auth,)})
    endpoint = request.resource.endpoint.model_copy(update={"auth": None})
    resource = request.resource.model_copy(update={"endpoint": endpoint})
    try:
        with ProbeSession.open(replace(request, client=client, resource=resource)) as session:
            trial = session.read(resource, pages=1)
            return trial.status is not None and trial.status not in (401, 403)
    except RestApiError:
        return False


def _keys(auth: Auth) -> dict[str, Any]:
    """The authentication as the YAML writes it."""
    keys: dict[str, Any] = {"type": auth.type}
    for name in sorted(auth.model_fields_set - {"type"}, key=list(type(auth).model_fields).index):
        value = getattr(auth, name)
        if isinstance(value, SecretRef):
            value = {"env": value.env} if value.env else {"secret": value.secret}
        keys[name] = value
    return keys
