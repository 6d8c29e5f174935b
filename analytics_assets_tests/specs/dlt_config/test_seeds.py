"""The five documents that this project began with, converted as they are: the same configuration, the same rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.config import RestApiConfig, load_config
from analytics_assets.specs import convert
from analytics_assets_tests.fake_api import FakeServer, serve
from analytics_assets_tests.rest_api.test_seeds import FOLDER, SEEDS, Seed, as_stored, environ, rows_of
from analytics_assets_tests.support.loaders import Loader

HOSTS = {"base_url": "BASE_URL", "token_url": "TOKEN_URL"}


def with_named_hosts(value: Any, api: str) -> Any:
    """The attributes with variables in place of the hosts, which are examples."""
    if isinstance(value, dict):
        return {
            key: {"env": f"{api.upper()}_{HOSTS[key]}"} if key in HOSTS else with_named_hosts(each, api)
            for key, each in value.items()
        }
    return [with_named_hosts(each, api) for each in value] if isinstance(value, list) else value


def comparable(config: RestApiConfig) -> Any:
    """What the code of a document says. Its prose has error handlers and schemas besides."""
    resources = [
        each.model_copy(
            update={
                "columns": {},
                "endpoint": each.endpoint.model_copy(
                    update={
                        "error_handler": None,
                        "params": {name: str(value) for name, value in each.endpoint.params.items()},
                    }
                ),
            }
        )
        for each in config.resolved_resources()
    ]
    return config.client, resources


@pytest.mark.parametrize("seed", SEEDS, ids=[seed.api.name for seed in SEEDS])
def test_document_is_converted_and_loaded(seed: Seed, tmp_path: Path) -> None:
    name = seed.api.name
    document = convert(FOLDER / name / "seed.txt", api=name)
    assert document.messages() == []
    assert "decide" not in document.to_yaml()
    document.attributes = with_named_hosts(document.attributes, name)
    file = tmp_path / name / "defs.yaml"
    file.parent.mkdir()
    file.write_text(document.to_yaml())
    config = load_config(file)
    assert comparable(config) == comparable(load_config(FOLDER / name / "defs.yaml"))
    sandbox = FakeServer([seed.api])
    with serve(sandbox) as url:
        loader = Loader(name, environ(sandbox, url), tmp_path)
        for resource in seed.types:
            loader.load(config, resource)
            assert loader.rows(resource) == as_stored(rows_of(seed.api, resource))
