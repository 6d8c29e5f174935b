"""Record filters and keys of a manifest: which of them change the rows of the table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from analytics_assets.specs import convert
from analytics_assets.specs.document import ApiDocument
from analytics_assets_tests.specs.manifest_shapes import SYNC, Component, stream

PROPERTIES = {
    "projects": {"type": "array"},
    "start_date": {"type": "string"},
    "kind": {"type": "string", "default": "a"},
    "region": {"type": "string"},
}


def convert_stream(folder: Path, each: Component) -> ApiDocument:
    spec = {
        "type": "Spec",
        "connection_specification": {"type": "object", "required": ["region"], "properties": PROPERTIES},
    }
    document = {"version": "1.0.0", "type": "DeclarativeSource", "streams": [each], "spec": spec}
    file = folder / "manifest.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    return convert(file, api="shop")


def filtered(condition: str, **parts: Any) -> Component:
    each = stream("items", "/items", **parts)
    each["retriever"]["record_selector"]["record_filter"] = {"type": "RecordFilter", "condition": condition}
    return each


@pytest.mark.parametrize(
    "condition",
    [
        "{{ record['updated_at'] >= stream_interval['start_time'] }}",
        "{{ record.get('updated_at') > stream_slice.get('start_time', '') }}",
        "{{ stream_interval.start_time <= record.updated_at and record.updated_at < stream_interval.end_time }}",
        "{{ format_datetime(record.updated_at, '%Y-%m-%d') >= format_datetime(stream_slice.start_time, '%Y-%m-%d') }}",
        "{{ timestamp(record['updated_at']) | int >= timestamp(config['start_date']) }}",
    ],
)
def test_filter_by_the_window_of_the_load_is_carried(condition: str, tmp_path: Path) -> None:
    sync = {**SYNC, "start_datetime": "{{ config['start_date'] }}"}
    assert convert_stream(tmp_path, filtered(condition, incremental_sync=sync)).is_whole
    assert not convert_stream(tmp_path, filtered(condition)).is_whole, "a load without a window reads all rows"


@pytest.mark.parametrize(
    "condition",
    [
        "{{ record['created_at'] >= stream_interval['start_time'] }}",
        "{{ record['updated_at'] < stream_interval['start_time'] }}",
        "{{ record['updated_at'] >= stream_interval['end_time'] }}",
        "{{ record['updated_at'] >= config['region'] }}",
        "{{ record['updated_at'] >= stream_interval['start_time'] and record['amount'] > 0 }}",
        "{{ record['updated_at'] >= stream_interval['start_time'] or record['open'] }}",
        "{{ record['updated_at'] is defined }}",
        "{{ record['updated_at']",
    ],
)
def test_filter_by_other_fields_or_bounds_is_not_carried(condition: str, tmp_path: Path) -> None:
    document = convert_stream(tmp_path, filtered(condition, incremental_sync=SYNC))
    assert not document.is_whole
    assert any("the record filter" in message for message in document.messages())


@pytest.mark.parametrize(
    "condition",
    [
        "{{ not config.get('projects') or record.key in config['projects'] }}",
        "{{ record.id in config.projects or not config.projects }}",
        "{{ record['id'] in config['projects'] if config.get('projects') else True }}",
    ],
)
def test_filter_by_an_optional_setting_is_left_to_decide(condition: str, tmp_path: Path) -> None:
    document = convert_stream(tmp_path, filtered(condition))
    assert document.is_whole
    assert "# decide: all records are loaded, as in the connector without its optional setting projects." in (
        document.to_yaml()
    )


@pytest.mark.parametrize(
    "condition",
    [
        "{{ not config.get('kind') or record.kind == config['kind'] }}",
        "{{ not config.get('region') or record.region == config['region'] }}",
        "{{ record.key in config['projects'] }}",
        "{{ config.get('projects') }}",
    ],
)
def test_filter_by_a_setting_with_a_value_is_not_carried(condition: str, tmp_path: Path) -> None:
    assert not convert_stream(tmp_path, filtered(condition)).is_whole


def added(value: str) -> list[Component]:
    return [{"type": "AddFields", "fields": [{"path": ["user_id"], "value": value}]}]


@pytest.mark.parametrize(
    "parts",
    [
        {"key": [["user", "id"]]},
        {"key": ["id", "user_id"], "transformations": added("{{ record['user']['id'] }}")},
    ],
)
def test_key_inside_of_an_object_replaces_the_table_and_changes_the_rows_of_windows(
    parts: dict[str, Any], tmp_path: Path
) -> None:
    document = convert_stream(tmp_path, stream("items", "/items", **parts))
    assert document.is_whole
    assert any("the key user.id, which is inside of an object" in message for message in document.messages())
    assert document.attributes["resources"][0]["write_disposition"] == "replace"
    assert "primary_key" not in document.attributes["resources"][0]
    assert not convert_stream(tmp_path, stream("items", "/items", incremental_sync=SYNC, **parts)).is_whole


def test_key_that_the_connector_computes_changes_rows(tmp_path: Path) -> None:
    parts: dict[str, Any] = {"key": "user_id", "transformations": added("{{ record['a'] ~ record['b'] }}")}
    assert not convert_stream(tmp_path, stream("items", "/items", **parts)).is_whole


PRESENT = ("{{ record['id'] is not none }}", "{{ record.id != None }}", "{{ record['id'] not in [None] }}")


@pytest.mark.parametrize("condition", PRESENT)
def test_filter_for_the_key_skips_records_without_it(condition: str, tmp_path: Path) -> None:
    document = convert_stream(tmp_path, filtered(condition))
    assert document.is_whole
    assert document.attributes["resources"][0]["null_key"] == "skip"
    assert not convert_stream(tmp_path, filtered(condition, key=["id", "name"])).is_whole
    assert not convert_stream(tmp_path, filtered(condition, key="name")).is_whole
    assert not convert_stream(tmp_path, filtered(condition, key=None)).is_whole


@pytest.mark.parametrize(
    "condition",
    ["{{ record.id }}", "{{ record.id is none }}", "{{ record.id != 0 }}", "{{ record.id is not none or record.a }}"],
)
def test_other_filter_of_the_key_is_not_carried(condition: str, tmp_path: Path) -> None:
    assert not convert_stream(tmp_path, filtered(condition)).is_whole
