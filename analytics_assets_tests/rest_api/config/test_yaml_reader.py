"""libyaml and PyYAML's own parser read a defs.yaml alike: values, lines and problems. Errors are PyYAML's."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_assets.rest_api.config.parsing.yaml_reader import LibyamlReader, YamlReader, parse_yaml
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.strategies.yaml_documents import FILES, SYNTAX, changed_texts

FILE = Path("defs.yaml")
PIECES = [
    *SYNTAX,
    "a",
    "b: ",
    "\n",
    "\n  ",
    "\n- ",
    "\nkey: ",
    ":",
    "?x",
    " # c",
    "|-\n  ",
    "#",
    "!",
    '"a\n b"',
    "--- ",
]


def read_alike(text: str) -> bool:
    """Compare the two parsers; returns whether libyaml's was used."""
    try:
        reader = parse_yaml(text, FILE)
    except ConfigError:
        return False
    own = YamlReader(text)
    assert repr(reader.document) == repr(own.document)  # NaN is not equal to itself
    assert (reader.lines, reader.problems) == (own.lines, own.problems)
    return isinstance(reader, LibyamlReader)


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.parent.name)
def test_libyaml_reads_valid_files(file: Path) -> None:
    assert read_alike(file.read_text())


@settings(max_examples=50, suppress_health_check=[HealthCheck.too_slow])
@given(changed_texts())
def test_changed_files_are_read_alike(content: bytes) -> None:
    read_alike(content.decode(errors="replace"))


@given(st.lists(st.sampled_from(PIECES), max_size=10).map("".join))
def test_any_syntax_is_read_alike(text: str) -> None:
    read_alike(f"key: {text}")
    read_alike(text)


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("a:\tb", id="tab"),
        pytest.param("a: |#\n  b", id="comment-after-block-indicator"),
        pytest.param("a: {b: c?}\n", id="question-mark"),
        pytest.param("%YAML 1.1\n---\na: !<x> b\n", id="directive-and-tag"),
        pytest.param("---", id="empty"),
    ],
)
def test_text_that_the_parsers_read_differently_is_left_to_pyyaml(text: str) -> None:
    assert not read_alike(text)


@pytest.mark.parametrize("text", ["a: [b", "a: *b", "a: " + "[" * 60, "- a\nb: c", 'a: "\\ud800x'])
def test_errors_are_the_same_without_libyaml(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def problem() -> str:
        try:
            return str(parse_yaml(text, FILE).problems)
        except ConfigError as error:
            return str(error)

    with_libyaml = problem()
    monkeypatch.setattr(yaml, "__with_libyaml__", False)
    assert problem() == with_libyaml != "[]"
