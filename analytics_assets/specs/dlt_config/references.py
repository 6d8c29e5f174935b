"""Secrets of a dlt configuration become the names of environment variables."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from analytics_assets.specs.dlt_config.expressions import Mixed, Reference, Unread
from analytics_assets.specs.document import ApiDocument, KeyPath
from analytics_assets.specs.secrets import is_secret

SECRET_KEYS = ("api_key", "token", "client_secret", "refresh_token", "password", "access_token")
HOLDERS = ("headers", "params", "json", "data", "access_token_request_data")


class References:
    """Names the variables of an API, and replaces what the code refers to.

    Attributes:
        result: The document that what cannot be carried is recorded in.
    """

    def __init__(self, result: ApiDocument) -> None:
        self._result = result
        self._names: dict[str, str] = {}

    def variable(self, name: str) -> str:
        """The variable for a path in `dlt.secrets`: its last part, or all if another path has the same."""
        parts = [re.sub(r"[^A-Za-z0-9]+", "_", part).strip("_").upper() for part in name.split(".")]
        prefix = self._result.api.upper()
        short = f"{prefix}_{parts[-1].removeprefix(f'{prefix}_')}"
        candidate = short if self._names.get(short, name) == name else "_".join([prefix, *parts])
        self._names.setdefault(candidate, name)
        return candidate

    def replaced(self, value: Any, path: KeyPath) -> Any:
        """The value with references to variables, and without what only running the code would give.

        Args:
            value: A value of the configuration.
            path: Its place in the defs.yaml.
        """
        if isinstance(value, Reference):
            return {"env": value.name if value.is_variable else self.variable(value.name)}
        if isinstance(value, Mixed):
            return self._mixed(value, path)
        if isinstance(value, Mapping):
            return {
                str(key): replaced
                for key, each in value.items()
                if not isinstance(replaced := self._field(str(key), each, (*path, str(key))), Unread)
            }
        if isinstance(value, list):
            items = [self.replaced(each, (*path, index)) for index, each in enumerate(value)]
            return [each for each in items if not isinstance(each, Unread)]
        if isinstance(value, Unread):
            self._result.skip(path, f"{value}: code is not run", changes_rows=True)
        return value

    def _field(self, key: str, value: Any, path: KeyPath) -> Any:
        """The value of a key. A secret that is written in the source becomes a variable."""
        if isinstance(value, str) and value and self._is_secret(key, value, path):
            name = self.variable(key)
            self._result.skip(path, f"the value in the source, a secret: set {name} to it", changes_rows=False)
            return {"env": name}
        return self.replaced(value, path)

    def _is_secret(self, key: str, value: str, path: KeyPath) -> bool:
        if "auth" in path[:-1] and key in SECRET_KEYS:
            return True
        return any(holder in path for holder in HOLDERS) and is_secret(key, value, in_header="headers" in path)

    def _mixed(self, value: Mixed, path: KeyPath) -> Any:
        name = self.variable(str(path[-1]) if path else "value")
        named = [part.name for part in value.parts if isinstance(part, Reference)]
        self._result.decide(path, f"{name} is the text of the source, with {', '.join(named)} in it")
        return {"env": name}
