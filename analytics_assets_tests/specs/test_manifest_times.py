"""Times of the load in manifests: as `values` of a defs.yaml, or reported."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from analytics_assets.specs import ApiDocument
from analytics_assets_tests.specs.manifest_shapes import Component
from analytics_assets_tests.specs.one_stream import convert_stream

SPEC: Component = {
    "type": "Spec",
    "connection_specification": {
        "type": "object",
        "required": ["url", "api_key", "from"],
        "properties": {
            "url": {"type": "string"},
            "api_key": {"type": "string"},
            "from": {"type": "string"},
            "until": {"type": "string"},
            "first": {"type": "string", "default": "2020-01-01"},
        },
    },
}


def converted(params: dict[str, str], folder: Path) -> ApiDocument:
    return convert_stream({"request_parameters": params}, SPEC, folder)


SECONDS = "%Y-%m-%dT%H:%M:%SZ"
TODAY = {"today": {"now": "date"}}
TEMPLATES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "today": ("{{ today_utc() }}", "{today}", TODAY),
    "now as a day": ("{{ now_utc().strftime('%Y-%m-%d') }}", "{today}", TODAY),
    "a day in text": ("2019-01-01,{{ format_datetime(now_utc(), '%Y-%m-%d') }}", "2019-01-01,{today}", TODAY),
    "now as text": ("{{ now_utc() }}", "{to}", {"to": {"now": "%Y-%m-%d %H:%M:%S.%f+00:00"}}),
    "seconds": ("{{ now_utc().isoformat('T', 'seconds') }}", "{to}", {"to": {"now": "%Y-%m-%dT%H:%M:%S+00:00"}}),
    "epoch": ("{{ timestamp(now_utc()) | int }}", "{to}", {"to": {"now": "epoch_s"}}),
    "days ago": ("{{ day_delta(-30, format='%Y-%m-%d') }}", "{to}", {"to": {"now": "date", "minus": "30 days"}}),
    "tomorrow": ("{{ day_delta(1, '%Y-%m-%d') }}", "{to}", {"to": {"now": "date", "plus": "1 day"}}),
    "difference": (
        "{{ (now_utc() - duration('PT90M')).strftime('%Y-%m-%dT%H:%M:%SZ') }}",
        "{to}",
        {"to": {"now": SECONDS, "minus": "PT5400S"}},
    ),
    "optional setting": ("{{ config['until'] or today_utc() }}", "{today}", TODAY),
    "optional setting by get": ("{{ config.get('until', today_utc()) }}", "{today}", TODAY),
    "optional setting by default": ("{{ config['until'] | default(today_utc(), true) }}", "{today}", TODAY),
    "part of an optional setting": (
        "{{ config['until'].split('T')[0] if config['until'] else today_utc() }}",
        "{today}",
        TODAY,
    ),
    "formatted optional setting": (
        "{{ format_datetime(config['until'] if config['until'] else now_utc(), '%Y-%m-%d') }}",
        "{today}",
        TODAY,
    ),
    "required setting": ("{{ config['from'] or today_utc() }}", "{from}", {"from": {"env": "SHOP_FROM"}}),
}


@pytest.mark.parametrize("name", TEMPLATES)
def test_time_of_the_load_becomes_a_value(name: str, tmp_path: Path) -> None:
    template, text, values = TEMPLATES[name]
    document = converted({"to": template}, tmp_path)
    assert document.is_whole, document.messages()
    [resource] = document.attributes["resources"]
    assert resource["endpoint"]["params"] == {"to": text}
    assert resource["endpoint"]["values"] == values


def test_setting_with_a_default_is_written_as_the_default(tmp_path: Path) -> None:
    document = converted({"to": "{{ config['first'] or today_utc() }}"}, tmp_path)
    assert document.attributes["resources"][0]["endpoint"]["params"] == {"to": "2020-01-01"}


def test_different_times_have_different_names(tmp_path: Path) -> None:
    both = "{{ now_utc().strftime('%H:%M %Y') }}/{{ day_delta(-1, '%H:%M %Y') }}"
    [resource] = converted({"end": both}, tmp_path).attributes["resources"]
    assert resource["endpoint"]["params"] == {"end": "{the_end}/{the_end_2}"}
    assert resource["endpoint"]["values"] == {
        "the_end": {"now": "%H:%M %Y"},
        "the_end_2": {"now": "%H:%M %Y", "minus": "1 day"},
    }


@pytest.mark.parametrize(
    "template",
    [
        "{{ max(config['from'], day_delta(-365, '%Y-%m-%d')) }}",
        "{{ today_utc().strftime('%Y-%m-%dT%H:%M:%SZ') }}",
        "{{ (now_utc() - duration('P1Y')).strftime('%Y-%m-%d') }}",
        "{{ now_utc().strftime('%H:%M') }}",
        "{{ now_utc().strftime('%_ms') }}",
        "{{ now_utc()[:10] }}",
    ],
)
def test_other_times_are_reported(template: str, tmp_path: Path) -> None:
    document = converted({"to": template}, tmp_path)
    assert not document.is_whole
    assert "params" not in document.attributes["resources"][0]["endpoint"]
