"""The file that `dg scaffold` writes: it is valid, also with the keys that are comments in it."""

from __future__ import annotations

import re

import pytest
import yaml

from analytics_assets.components.scaffold import TEMPLATE
from analytics_assets.rest_api.config import COMPONENT, parse_config
from analytics_assets_tests.support.config_samples import DatesAsText

TEXT = TEMPLATE.format(api="payroll", prefix="PAYROLL", type=COMPONENT)
CHOICES = {
    "as it is": (),
    "private fields": ("exclude", "hash"),
    "windows": ("incremental", "partitions"),
    "a search": ("method", "json"),
    "a list of values": ("params", "for_each"),
    "a file": ("format", "data_selector"),
    "a child": ("- name", "  primary_key", "  include_from_parent", "  endpoint", "    path", "    error_handler"),
}


@pytest.mark.parametrize("keys", CHOICES.values(), ids=CHOICES)
def test_commented_keys_are_valid(keys: tuple[str, ...]) -> None:
    text = TEXT
    for key in keys:
        text, count = re.subn(rf"^( *)# ({key}: )", r"\1\2", text, flags=re.MULTILINE)
        if not count:  # a key above other keys
            text, count = re.subn(rf"^( *)# ({key}:)$", r"\1\2", text, flags=re.MULTILINE)
        assert count == 1, key
    parse_config(yaml.load(text, DatesAsText)["attributes"])


def test_every_commented_key_is_tried() -> None:
    commented = re.findall(r"^ *# ([- ]*\w+):(?: .*)?$", TEXT, re.MULTILINE)
    assert set(commented) == {key for keys in CHOICES.values() for key in keys}
