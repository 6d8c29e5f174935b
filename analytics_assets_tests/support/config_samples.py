"""A small configuration, and how tests change and write it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

FIXTURES = Path(__file__).parents[1] / "fixtures"
EVERY_KEY = FIXTURES / "every_key" / "defs.yaml"

BASE = """\
type: analytics_assets.components.RestApi
attributes:
  client:
    base_url: https://api.example.com
    auth: {type: bearer, token: {env: API_TOKEN}}
  resource_defaults:
    primary_key: id
    endpoint: {data_selector: data, paginator: {type: offset, limit: 100}}
  resources:
    - name: users
      endpoint:
        path: /v1/users
  partitions: {cadence: daily, start: 2026-10-01}
"""
CLIENT = "base_url: https://api.example.com"
AUTH = "auth: {type: bearer, token: {env: API_TOKEN}}"
PAGINATOR = "paginator: {type: offset, limit: 100}"
NAME = "name: users"
PATH = "path: /v1/users"
INCREMENTAL = f"{PATH}\n        incremental: "
PARTITIONS = "partitions: {cadence: daily, start: 2026-10-01}"


def write(folder: Path, text: str | bytes, *, api: str = "recruiting") -> Path:
    """Write a defs.yaml into the folder of its API."""
    file = folder / api / "defs.yaml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(text if isinstance(text, bytes) else text.encode())
    return file


def edited(old: str, new: str) -> str:
    """The small configuration with `new` in place of `old`."""
    assert BASE.count(old) == 1
    return BASE.replace(old, new)


class DatesAsText(yaml.SafeLoader):
    """Reads YAML as Dagster does: dates stay text."""

    yaml_implicit_resolvers = {  # noqa: RUF012
        first: [resolver for resolver in resolvers if resolver[0] != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }


def attributes(file: Path) -> Any:
    """The value of `attributes:`, as Dagster reads it."""
    return yaml.load(file.read_text(), DatesAsText)["attributes"]
