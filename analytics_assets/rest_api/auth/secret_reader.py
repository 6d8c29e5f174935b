"""Secrets by name: reads environment variables and dlt.secrets, and lists the names that a configuration mentions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from pydantic import BaseModel

from analytics_assets.rest_api.config import SecretRef, Value
from analytics_assets.rest_api.errors import CredentialsError

COPY_PASTE_HINT = "Set it again. Copying often adds a quotation mark, a space or an accent."


class SecretReader:
    """Reads the values that a configuration names. Used inside a run only, never at definition time."""

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ

    def read(self, value: Value) -> str | None:
        """The text of a literal or of a named value; None if that is unset or blank.

        Whitespace around a named value is stripped, such as the newline that `echo` adds.

        Raises:
            CredentialsError: The value contains a line break or an invisible character, or dlt.secrets cannot be read.
        """
        if isinstance(value, str):
            return value
        text = (_dlt_secret(value.secret) if value.secret else self._environ.get(value.env or "", "")).strip()
        if not text.isprintable():
            raise CredentialsError(
                f"{reference_name(value)} contains a line break or an invisible character. Set it again to the value "
                "alone."
            )
        return text or None

    def require(self, value: Value, key: str) -> str:
        """The text of a literal or of a named value; `key` is its place in the YAML file.

        Raises:
            CredentialsError: The value is unset or blank, or `read` fails.
        """
        text = self.read(value)
        if text is None:
            assert isinstance(value, SecretRef)
            raise CredentialsError(f"`{key}`: {reference_name(value)} is not set. An empty value counts as unset.")
        return text


def _dlt_secret(path: str) -> str:
    import dlt  # takes a second to import
    from dlt.common.exceptions import DltException

    try:
        found: object = dlt.secrets.get(path)
    except DltException as error:  # an invalid secrets.toml: the message has the file and the line, but no value
        raise CredentialsError(f"dlt.secrets[{path!r}]: {error}") from None
    if found is None:
        return ""
    if isinstance(found, bool) or not isinstance(found, str | int):
        raise CredentialsError(f"dlt.secrets[{path!r}] is a {type(found).__name__}, not a text.")
    return str(found)


def reference_name(reference: SecretRef) -> str:
    """The environment variable, or the path in dlt.secrets, as messages show it."""
    return f"dlt.secrets[{reference.secret!r}]" if reference.secret else str(reference.env)


def references(config: object) -> Iterator[SecretRef]:
    """All references to secrets in a part of the configuration, in the order of its fields."""
    if isinstance(config, SecretRef):
        yield config
    elif isinstance(config, BaseModel):
        for name in type(config).model_fields:
            yield from references(getattr(config, name))
    elif isinstance(config, Mapping):
        for value in config.values():
            yield from references(value)
    elif isinstance(config, list | tuple):
        for value in config:
            yield from references(value)


def variables(config: BaseModel) -> tuple[str, ...]:
    """The names of all secrets in a part of the configuration (a client, an alternative of `auth`), each once."""
    return tuple(dict.fromkeys(map(reference_name, references(config))))


def variables_set(config: object, environ: Mapping[str, str]) -> tuple[str, ...]:
    """The names among `variables(config)` that have a value.

    Raises:
        CredentialsError: A value is malformed, see `SecretReader.read`.
    """
    reader = SecretReader(environ)
    return tuple(dict.fromkeys(reference_name(ref) for ref in references(config) if reader.read(ref) is not None))
