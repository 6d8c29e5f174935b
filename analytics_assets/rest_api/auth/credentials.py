"""Which credentials an API is read with, and their values: read inside a run, never at definition time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pydantic import BaseModel

from analytics_assets.rest_api.config import Auth, Client, SecretRef, Value
from analytics_assets.rest_api.errors import CredentialsError

COPY_PASTE_HINT = "Set it again: often a quotation mark, a space or an accent came along when it was pasted."
FORBIDDEN_HINT = (
    "the credentials may lack a permission. "
    "APIs also answer 403 to a wrong token, or to a request for a field that may not be read."
)


class Secrets:
    """Reads what the configuration names: variables of `environ`, and paths in dlt.secrets."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def read(self, value: Value) -> str | None:
        """The text of a literal, or of what a reference names; None if that is unset or blank.

        Whitespace around a named value is stripped: the newline that pasting or `echo` leaves is part of no credential.
        Line breaks and invisible characters inside are refused, since they come of pasting too much.
        """
        if isinstance(value, str):
            return value
        text = (self._dlt_secret(value.secret) if value.secret else self._environ.get(value.env or "", "")).strip()
        if not text.isprintable():
            raise CredentialsError(
                f"{label(value)} holds a line break or an invisible character. Set it again, without pasting more "
                "than the value itself."
            )
        return text or None

    def require(self, value: Value, key: str) -> str:
        """The text, or an error that names the variable to set, and the `key` of the YAML that asks for it."""
        if isinstance(value, str):
            return value
        text = self.read(value)
        if text is None:
            raise CredentialsError(f"`{key}`: {label(value)} is not set. An empty value counts as unset.")
        return text

    def header(self, value: Value, key: str) -> str:
        """The text of a header; one written in the YAML was checked there."""
        text = self.require(value, key)
        if isinstance(value, SecretRef) and not text.isascii():
            raise CredentialsError(
                f"`{key}`: {label(value)} holds characters that a header cannot carry. {COPY_PASTE_HINT}"
            )
        return text

    @staticmethod
    def _dlt_secret(path: str) -> str:
        import dlt  # a second to import: only for those who use it
        from dlt.common.exceptions import DltException

        try:
            found: object = dlt.secrets.get(path)
        except DltException as error:  # a broken secrets.toml: the text has the file, the line and no value
            raise CredentialsError(f"dlt.secrets[{path!r}]: {error}") from None
        if found is None:
            return ""
        if isinstance(found, bool) or not isinstance(found, str | int):
            raise CredentialsError(f"dlt.secrets[{path!r}] is a {type(found).__name__}, not a text.")
        return str(found)


def label(reference: SecretRef) -> str:
    """The name that people know a reference by."""
    return f"dlt.secrets[{reference.secret!r}]" if reference.secret else str(reference.env)


def variables(config: BaseModel) -> tuple[str, ...]:
    """The names of all variables that a part of the configuration mentions (a client, a resource, ...), once each."""
    return tuple(dict.fromkeys(label(reference) for reference in references(config)))


def names_of(auth: Auth) -> str:
    return ", ".join(variables(auth)) or "`client.auth`"


def variables_set(config: BaseModel, secrets: Secrets) -> tuple[str, ...]:
    """Those that are set: the sandbox may serve an API only when there is none."""
    return tuple(dict.fromkeys(label(ref) for ref in references(config) if secrets.read(ref) is not None))


def references(node: object) -> Iterator[SecretRef]:
    """All references in a part of the configuration, in the order of its fields."""
    if isinstance(node, SecretRef):
        yield node
    elif isinstance(node, BaseModel):
        for name in type(node).model_fields:
            yield from references(getattr(node, name))
    elif isinstance(node, Mapping):
        for value in node.values():
            yield from references(value)
    elif isinstance(node, list | tuple):
        for value in node:
            yield from references(value)


@dataclass(frozen=True)
class _Alternative:
    """One way to sign in, with the variables of it that are set and those that are not."""

    auth: Auth
    present: frozenset[str]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, auth: Auth, secrets: Secrets) -> _Alternative:
        present = frozenset(variables_set(auth, secrets))
        return cls(auth, present, tuple(name for name in variables(auth) if name not in present))

    def __str__(self) -> str:
        present = f" ({', '.join(sorted(self.present))} set)" if self.present else ""
        return f"{self.auth.type} lacks {', '.join(self.missing)}{present}"


def select_auth(client: Client, secrets: Secrets, api: str) -> Auth | None:
    """The first alternative whose variables are all set; None if the API asks for no credentials.

    A half-set alternative is an error wherever it stands, else another one would be used by accident. But not when
    all that is set of it belongs to one that is fully set: a client that two alternatives share, say.
    """
    if not client.auth:
        return None
    alternatives = [_Alternative.of(auth, secrets) for auth in client.auth]
    complete = [alternative for alternative in alternatives if not alternative.missing]
    explained = frozenset[str]().union(*(alternative.present for alternative in complete))
    half_set = [alternative for alternative in alternatives if alternative.missing and alternative.present - explained]
    if complete and not half_set:
        return complete[0].auth
    state = "half set" if half_set else "not set"
    mend = "Set what is missing, or unset the rest" if half_set else "Set all variables of one alternative"
    unset = [] if complete else [alternative for alternative in alternatives if alternative not in half_set]
    raise CredentialsError(
        f"the credentials of {api} are {state}: {'; '.join(map(str, half_set + unset))}. "
        f"{mend}; an empty value counts as unset."
    )
