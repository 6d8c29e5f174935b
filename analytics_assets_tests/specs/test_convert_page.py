"""The examples of the page about conversion: what is written there is what the converter writes."""

from __future__ import annotations

from pathlib import Path

import pytest

from analytics_assets.specs import convert
from analytics_assets_tests.docs.markdown import blocks
from analytics_assets_tests.support.project import ROOT

PAGE = ROOT / "docs" / "convert.md"


@pytest.mark.parametrize(("language", "number"), [("json", 0), ("python", 1)])
def test_example_is_converted_as_shown(language: str, number: int, tmp_path: Path) -> None:
    [block] = blocks(language, PAGE)
    source = tmp_path / f"shop.{'py' if language == 'python' else language}"
    source.write_text(block.text)
    assert convert(source, api="shop").to_yaml().strip() == blocks("yaml", PAGE)[number].text
