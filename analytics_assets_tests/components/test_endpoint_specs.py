"""Endpoint assets say how the API is requested; assets link to the lines of their resource, and name their table."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from analytics_assets.components.metadata.source_link import path_in_project
from analytics_assets.definitions import build_definitions
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.components.conftest import DEFS, write_defs

SHOP = """\
type: analytics_assets.components.RestApi
attributes:
  client:
    base_url: https://api.example.com/v2/
    auth:
      - {type: bearer, token: {env: SHOP_API_TOKEN}}
      - {type: api_key, name: key, api_key: {env: SHOP_API_KEY}, location: query}
  docs_url: https://docs.example.com/shop
  resource_defaults:
    primary_key: id
    endpoint: {data_selector: data, paginator: {type: single_page}}
  resources:
    - name: orders
      docs_url: https://docs.example.com/shop/orders
      endpoint:
        path: /orders
        data_selector: data.items
        paginator: {type: page_number}
        params: {filter: "updated>{start}", status: all}
        incremental: {end_param: until, format: epoch_s}
      columns: {id: {type: integer, description: Its number.}, soldAt: {type: string}}
    - stock
  partitions: {cadence: daily, start: 2026-10-01}
"""
COLUMNS = [("id", "bigint", "Its number."), ("soldAt", "text", None)]


def specs(folder: Path, text: str = SHOP, **settings: str) -> dict[str, dg.AssetSpec]:
    """The specs of an API named `shop`, by asset key."""
    environ = {"ANALYTICS_DEFS_DIR": str(write_defs(folder / "defs", {"shop": text})), **settings}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(name, value)
        found = build_definitions(environ).resolve_all_asset_specs()
    return {spec.key.to_user_string(): spec for spec in found}


def links(spec: dg.AssetSpec) -> list[str]:
    """The links of an asset to its source code."""
    value: dg.CodeReferencesMetadataValue = spec.metadata["dagster/code_references"]
    return [reference.source for reference in value.code_references]


def test_endpoint_says_how_it_is_requested(folder: Path) -> None:
    metadata: dict[str, Any] = dict(specs(folder)["shop_api/orders"].metadata)
    schema = metadata["dagster/column_schema"]
    assert [(column.name, column.type, column.description) for column in schema.columns] == COLUMNS
    assert {name: metadata[name] for name in metadata if not name.startswith("dagster/")} == {
        "method": "GET",
        "url": dg.MetadataValue.url("https://api.example.com/v2/orders"),
        "authentication": "bearer or api_key (query)",
        "paginator": "page_number",
        "data_selector": "data.items",
        "window_filter": "{start}, until (epoch_s)",
        "docs": dg.MetadataValue.url("https://docs.example.com/shop/orders"),
    }


def test_endpoint_has_the_documentation_of_its_api(folder: Path) -> None:
    stock = specs(folder)["shop_api/stock"]
    assert stock.metadata["docs"] == dg.MetadataValue.url("https://docs.example.com/shop")
    assert stock.metadata["window_filter"] == "none: each load reads all rows"
    assert stock.description == (
        "`GET stock` of the shop API: where `shop/stock` is loaded from. [Documentation](https://docs.example.com/shop)"
    )


def test_base_url_and_credentials_of_the_environment_are_shown_by_name(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SHOP_BASE_URL", "https://HUSH.example.com")
    text = SHOP.replace("https://api.example.com/v2/", "{env: SHOP_BASE_URL}").replace("  docs_url", "  # docs_url", 1)
    spec = specs(folder, text)["shop_api/stock"]
    assert spec.metadata["url"] == "$SHOP_BASE_URL/stock"
    assert "docs" not in spec.metadata
    assert "HUSH" not in str(spec)


@pytest.mark.parametrize("value", ["docs.example.com", "ftp://docs.example.com", "https://", "1", "{a: b}"])
def test_documentation_must_be_a_web_link(folder: Path, value: str) -> None:
    with pytest.raises(ConfigError, match=r"defs.yaml:8 attributes\.docs_url: "):
        specs(folder, SHOP.replace("docs_url: https://docs.example.com/shop\n", f"docs_url: {value}\n"))


def test_assets_link_to_the_line_of_their_resource(folder: Path) -> None:
    file, lines = folder / "defs" / "shop" / "defs.yaml", SHOP.splitlines()
    found = specs(folder)
    for name, first in (("orders", "    - name: orders"), ("stock", "    - stock")):
        link = f"{file}:{lines.index(first) + 1}"
        assert links(found[f"shop/{name}"]) == links(found[f"shop_api/{name}"]) == [link]


@pytest.mark.parametrize("root", [".git", "pyproject.toml"])
def test_assets_link_to_git(folder: Path, root: str) -> None:
    (folder / root).mkdir()
    url = "https://github.com/owner/project/blob/main"
    found = specs(folder, ANALYTICS_GIT_URL=f"{url}/")
    assert links(found["shop/orders"]) == [f"{url}/defs/shop/defs.yaml#L13"]


def test_files_of_an_installed_package_are_found_in_git(folder: Path) -> None:
    assert path_in_project(DEFS / "recruiting" / "defs.yaml") == "analytics_assets/defs/recruiting/defs.yaml"
    assert path_in_project(folder / "nowhere" / "defs.yaml") == "defs.yaml"


@pytest.mark.parametrize(
    "url", ["github.com/owner/project", "https://user:HUSH@github.com/owner", "https://github.com"]
)
def test_git_url_must_be_a_web_link_without_credentials(url: str) -> None:
    with pytest.raises(ConfigError, match=r"^ANALYTICS_GIT_URL must be the URL of the project's folder") as error:
        build_definitions({"ANALYTICS_GIT_URL": url})
    assert "HUSH" not in str(error.value)


@pytest.mark.parametrize(
    ("environ", "table"),
    [
        ({}, "recruiting_sandbox.users"),
        ({"RECRUITING_API_KEY": " "}, "recruiting_sandbox.users"),
        ({"ANALYTICS_DATASET_PREFIX": "raw_"}, "raw_recruiting_sandbox.users"),
        ({"RECRUITING_API_KEY": "HUSH"}, "recruiting.users"),
        ({"ANALYTICS_DESTINATION": "postgres"}, "recruiting.users"),
    ],
)
def test_table_is_the_one_that_a_load_writes(
    monkeypatch: pytest.MonkeyPatch, environ: dict[str, str], table: str
) -> None:
    for name, value in environ.items():
        monkeypatch.setenv(name, value)
    [spec] = [
        spec
        for spec in build_definitions(os.environ).resolve_all_asset_specs()
        if spec.key.path == ["recruiting", "users"]
    ]
    assert spec.metadata["dagster/table_name"] == table
    assert "HUSH" not in str(spec)
    uri = None if "ANALYTICS_DESTINATION" in environ else f"duckdb://{Path('warehouse.duckdb').absolute()}"
    assert spec.metadata.get("dagster/uri") == uri
