"""Rate limits, concurrency and unknown keys of a manifest."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_assets.specs import convert
from analytics_assets.specs.document import ApiDocument
from analytics_assets_tests.specs.manifest_shapes import Component, stream

SETTINGS = {"workers": {"type": "integer", "default": 3}}


def convert_with(folder: Path, parts: Component) -> ApiDocument:
    spec = {"type": "Spec", "connection_specification": {"type": "object", "properties": SETTINGS}}
    document = {"type": "DeclarativeSource", "streams": [stream("items", "/items")], "spec": spec, **parts}
    file = folder / "manifest.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return convert(file, api="shop")


def budget(*policies: Component) -> Component:
    return {"api_budget": {"type": "HTTPAPIBudget", "policies": list(policies)}}


def moving(limit: Any, interval: str, **matcher: Any) -> Component:
    matchers = [{"method": "GET", **matcher}] if matcher else []
    return {
        "type": "MovingWindowCallRatePolicy",
        "rates": [{"limit": limit, "interval": interval}],
        "matchers": matchers,
    }


FIXED = {"type": "FixedWindowCallRatePolicy", "period": "PT1M", "call_limit": 30, "matchers": []}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (budget(moving(60, "PT1M")), {"max_requests_per_second": 1.0}),
        (budget(moving(60, "PT1M", url_path_pattern=".*"), FIXED), {"max_requests_per_second": 0.5}),
        (budget({"type": "UnlimitedCallRatePolicy", "matchers": []}), {}),
        ({"concurrency_level": {"type": "ConcurrencyLevel", "default_concurrency": 8}}, {"max_concurrency": 8}),
        ({"concurrency_level": {"default_concurrency": 500}}, {"max_concurrency": 64}),
        (
            {"concurrency_level": {"default_concurrency": "{{ config.get('num_workers', 2) }}"}},
            {"max_concurrency": 2},
        ),
        ({"concurrency_level": {"default_concurrency": "{{ config['workers'] }}"}}, {"max_concurrency": 3}),
        ({"metadata": {"a": 1}}, {}),
    ],
)
def test_limits_of_all_requests_are_keys_of_the_client(
    parts: Component, expected: dict[str, Any], tmp_path: Path
) -> None:
    document = convert_with(tmp_path, parts)
    assert not document.not_carried
    client = document.attributes["client"]
    assert {key: value for key, value in client.items() if key.startswith("max_")} == expected


@pytest.mark.parametrize(
    ("parts", "text", "changes_rows"),
    [
        (budget(moving(1, "PT1M", url_path_pattern="/orders")), "a rate limit of a part of the requests", False),
        (budget(moving("{{ config['rate'] }}", "PT1M")), "a rate limit of a part of the requests", False),
        ({"concurrency_level": {"default_concurrency": "{{ a"}}, "the number of concurrent requests", False),
        ({"max_concurrent_async_job_count": 2}, "the number of asynchronous jobs", False),
        ({"record_rules": {}}, "the key record_rules, which is not known", True),
    ],
)
def test_other_limits_and_unknown_keys_are_reported(
    parts: Component, text: str, changes_rows: bool, tmp_path: Path
) -> None:
    document = convert_with(tmp_path, parts)
    [entry] = document.not_carried
    assert text in entry.what
    assert entry.changes_rows is changes_rows
    assert f"# not carried: {text}" in document.to_yaml()
