"""Connectors of a folder of manifests: converted, loaded from the fake APIs that their manifests describe, compared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.specs.corpus import loads
from analytics_assets_tests.specs.manifest_api.corpus import choose, compare_all, table

pytestmark = [
    pytest.mark.soak,
    pytest.mark.skipif("CORPUS_DIR" not in os.environ, reason="CORPUS_DIR is a folder of manifests"),
]
MIN_CONNECTORS = 20


def test_corpus_is_accepted_by_the_loader(tmp_path: Path) -> None:
    errors = []
    for file in sorted(Path(os.environ["CORPUS_DIR"]).glob("*.yaml")):
        try:
            loads(file, tmp_path)
        except ConfigError as error:
            errors.append(str(error))
    assert [error for error in errors if "streams: " not in error] == []


def test_connectors_of_all_shapes_load_the_rows_of_their_apis(tmp_path: Path) -> None:
    chosen = choose(sorted(Path(os.environ["CORPUS_DIR"]).glob("*.yaml")), MIN_CONNECTORS)
    found = compare_all(chosen, tmp_path)
    print(table(found))
    differences = [f"{name}/{each.stream}: {each.difference}" for name, each in found if each.difference]
    assert not differences
    assert len({name for name, each in found if each.rows}) >= MIN_CONNECTORS
