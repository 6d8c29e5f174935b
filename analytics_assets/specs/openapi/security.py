"""Authentication, from `securitySchemes` and `security`."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from analytics_assets.specs.openapi.schemas import Schemas

Requirement = tuple[str, ...]
"""The names of the schemes that a request must have together."""


class Scheme(NamedTuple):
    """A security scheme.

    Attributes:
        auth: The value of `auth`; None if the dialect has none for it.
        text: What it is, for comments.
        decisions: What a person has to decide.
        rank: Schemes with a lower rank are preferred.
    """

    auth: dict[str, Any] | None
    text: str
    decisions: tuple[str, ...] = ()
    rank: int = 0


class Security:
    """The security schemes of a document."""

    def __init__(self, document: Mapping[str, Any], schemas: Schemas, *, prefix: str) -> None:
        components = document.get("components")
        raw = components.get("securitySchemes") if isinstance(components, Mapping) else None
        self.schemes = {
            str(name): _scheme(schemas.follow(node)[0], prefix)
            for name, node in (raw.items() if isinstance(raw, Mapping) else ())
        }
        self._default = requirements(document.get("security"))

    def of(self, operation: Mapping[str, Any]) -> list[Requirement] | None:
        """The alternatives of an operation; None if the document says nothing."""
        own = requirements(operation.get("security"))
        return self._default if own is None else own

    def choose(self, alternatives: Sequence[Requirement]) -> Requirement | None:
        """The first alternative that the dialect has; cookies, which are a browser's session, come last."""
        possible = [each for each in alternatives if each and self.schemes.get(each[0], UNKNOWN).auth is not None]
        return min(possible, key=lambda each: self.schemes[each[0]].rank, default=None)


UNKNOWN = Scheme(None, "a scheme that the document does not describe")


def requirements(node: Any) -> list[Requirement] | None:
    """The alternatives of a `security` list; an empty one means no credentials."""
    if not isinstance(node, list):
        return None
    return [tuple(map(str, each)) for each in node if isinstance(each, Mapping)]


def _scheme(raw: Mapping[str, Any], prefix: str) -> Scheme:
    kind, http = raw.get("type"), str(raw.get("scheme") or "").lower()
    if kind == "apiKey" and isinstance(raw.get("name"), str) and raw.get("in") in ("header", "query", "cookie"):
        return _api_key(raw, prefix)
    if kind == "http" and http == "bearer":
        return Scheme({"type": "bearer", "token": {"env": f"{prefix}_API_TOKEN"}}, "a bearer token")
    if kind == "http" and http == "basic":
        user, password = {"env": f"{prefix}_USER"}, {"env": f"{prefix}_PASSWORD"}
        return Scheme({"type": "http_basic", "username": user, "password": password}, "user name and password")
    if kind == "oauth2" and isinstance(raw.get("flows"), Mapping):
        return _oauth2(raw["flows"], prefix)
    return Scheme(None, f"{kind or 'unknown'} {http}".strip())


def _api_key(raw: Mapping[str, Any], prefix: str) -> Scheme:
    name, location = raw["name"], raw["in"]
    auth = {"type": "api_key", "name": name, "api_key": {"env": f"{prefix}_API_KEY"}, "location": location}
    decisions: tuple[str, ...] = ()
    if location == "header" and name.lower() == "authorization":
        words = re.search(r"prefix\W+(\w+)|\b(Bearer|Token)\b\s*[<{\[]", str(raw.get("description") or ""))
        if words:
            auth["prefix"] = f"{words[1] or words[2]} "
        else:
            decisions = ('add `prefix: "Token "` if the API expects a word before the key',)
    return Scheme(auth, f"an API key in the {location} {name}", decisions, rank=1 if location == "cookie" else 0)


def _oauth2(flows: Mapping[str, Any], prefix: str) -> Scheme:
    for name, own in (("clientCredentials", ()), ("password", ("username", "password")), ("authorizationCode", ())):
        flow = flows.get(name)
        if not isinstance(flow, Mapping):
            continue
        auth: dict[str, Any] = {"type": "oauth2"}
        if name == "password":
            auth["grant_type"] = "password"
        auth["client_id"] = {"env": f"{prefix}_CLIENT_ID"}
        auth["client_secret"] = {"env": f"{prefix}_CLIENT_SECRET"}
        auth.update({key: {"env": f"{prefix}_{'USER' if key == 'username' else 'PASSWORD'}"} for key in own})
        if name == "authorizationCode":
            auth["refresh_token"] = {"env": f"{prefix}_REFRESH_TOKEN"}
        auth["token_url"] = {"env": f"{prefix}_TOKEN_URL"}
        url = flow.get("tokenUrl")
        is_whole = str(url).startswith("http")
        decisions = [f"{prefix}_TOKEN_URL {'is' if is_whole else 'ends in'} {url}"] if _is_plain(url) else []
        if isinstance(flow.get("scopes"), Mapping) and flow["scopes"]:
            decisions.append(f"add `scope` if the API needs it; it has {', '.join(map(str, flow['scopes']))}"[:300])
        if name == "password":
            decisions.append('write client_id: "none" and client_secret: "" if the API has no client')
        return Scheme(auth, f"OAuth 2.0 ({name})", tuple(decisions))
    return Scheme(None, f"OAuth 2.0 ({', '.join(map(str, flows))})")


def _is_plain(url: Any) -> bool:
    """Whether a URL can be written into a comment: text without user or query."""
    return isinstance(url, str) and re.fullmatch(r"[^\s@?#]{1,200}", url) is not None
