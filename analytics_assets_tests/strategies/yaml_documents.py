"""Hypothesis strategies for defs.yaml files: valid ones, with values, lines or syntax changed, and arbitrary ones."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from datetime import date, datetime
from functools import cache
from typing import Any

import yaml
from hypothesis import strategies as st

from analytics_assets.rest_api.config import RestApiConfig
from analytics_assets_tests.support.project import ROOT

PLANTED_SECRET = "pl4nted-s3cret"  # a value in a wrong place: no message may repeat it
CANARY = "canary-of-code-from-yaml"  # code in a configuration would write this file
FILES = sorted(
    [*ROOT.glob("analytics_assets/defs/*/defs.yaml"), *ROOT.glob("analytics_assets_tests/fixtures/**/defs.yaml")]
)
TEMPLATES = [
    "{{ env.HOME }}", "{{ 7 * 7 }}", f"{{{{ open('{CANARY}', 'w') }}}}", "{% for x in y %}", "{{", "${HOME}", "%(x)s",
    f"{{{{ ''.__class__.__mro__[1].__subclasses__() }}}}{CANARY}", "{start}", "{end}{", "{0.__class__}", "$(touch x)",
]  # fmt: skip
WRITES = f"open({CANARY!r}, 'w')"
TAGS = [
    f"!!python/object/apply:os.system [\"touch {CANARY}\"]", f"!!python/object/new:os.system [touch {CANARY}]",
    f"!!python/object/apply:builtins.eval [\"{WRITES}\"]", "!!python/name:os.system", "!!python/module:os ",
    "!!python/tuple [1]", "!!python/object:object {}", "!!binary aGk=", "!!set {a, b}", "!!omap [a: 1]", "!!int x",
    "!!float x", "!!bool x", "!!null x", "!!timestamp x", "!!str [x]", "!!map [x]", "!!seq {x: y}", "!env HOME",
    "!x!y z", "!<tag:yaml.org,2002:int> 5",
]  # fmt: skip
SYNTAX = [
    "&a ", "*a", "<<: *a", "<<: {a: b}", "&a [*a]", "? [a, b]\n: c", "? ", "---\n", "...\n", "%YAML 9.9\n---\n",
    "%TAG ! tag:x,2000:\n---\n", "\t", "\0", "\ufeff", "\u2028", "\x85", "\x7f", "|\n", ">+9\n", "@", "`", "'", '"',
    "#", ": ", "- ", "[", "]", "{", "}", ",", "\\", '"\\U00110000"', '"\\ud800"', "\r", "[" * 60, "{a: " * 60, "=", "~",
    "1_000", "0x" + "f" * 400, "1:20:30", "9" * 5000, "1e999", ".nan", "-.inf", "0o777", "2026-13-45", "NO",
]  # fmt: skip
TEXTS = [
    "", " ", "\n", "a" * 300, "null", "true", "5", "id", "data", "$", "$.x", "*", "a.*.b", "a[0]", "a['b']", "..",
    "../x", "/v1/x?y=z#f", "http://[::1", "https://me:x@host", "https://host:99999999999/x", "ftp://x", "//x",
    "http://a b",
    "%Y-%m-%d", "%", "%Q", "%s", "é", "\u202e", "\ud7ff", "\U0001f600", "İ", "a__b", "_dlt_id", "x" * 64, "CON", "9a",
    "team:x", "team: x y", "@x.y", "a@b.c", "dagster/x", "a/b/c", "P2D", "-1 days", "P9999999D", "Europe/Berlin",
    "../../etc/passwd", "/etc/passwd", "UTC ", "24:00", "2026-02-30", "0001-01-01", "9999-12-31",
    "2026-10-01T06:00+02:00",
]  # fmt: skip


@cache
def vocabulary() -> tuple[str, ...]:
    """All keys and fixed values of the dialect, from its JSON schema."""
    words: set[str] = set()

    def collect(node: Any) -> None:
        if isinstance(node, dict):
            words.update(node.get("properties", {}))
            words.update(value for value in node.get("enum", []) if isinstance(value, str))
            for value in node.values():
                collect(value)
        elif isinstance(node, list):
            for value in node:
                collect(value)

    collect(RestApiConfig.model_json_schema())
    return tuple(sorted(words))


def text_values() -> st.SearchStrategy[str]:
    return st.one_of(st.sampled_from(vocabulary()), st.sampled_from(TEXTS + TEMPLATES), st.text(max_size=8))


def values() -> st.SearchStrategy[Any]:
    """Any value that YAML can express."""
    leaves = st.one_of(
        text_values(),
        st.just(PLANTED_SECRET),
        st.none(),
        st.booleans(),
        st.integers(),
        st.integers(-(10**80), 10**80),
        st.floats(),
        st.dates(max_value=date(2200, 1, 1)),
        st.datetimes(max_value=datetime(2200, 1, 1)),
        st.binary(max_size=8),
        st.builds(lambda name: {"env": name}, text_values()),
    )
    return st.recursive(
        leaves,
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text_values(), inner, max_size=3),
        max_leaves=6,
    )


@cache
def documents() -> tuple[Any, ...]:
    return tuple(yaml.safe_load(file.read_text()) for file in FILES)


def key_paths(node: Any, parents: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """The paths of all values of a document."""
    for key, value in node.items() if isinstance(node, dict) else enumerate(node):
        yield (*parents, key)
        if isinstance(value, (dict, list)):
            yield from key_paths(value, (*parents, key))


@st.composite
def changed_documents(draw: st.DrawFn, *, same_types: bool = False) -> Any:
    """A valid document with one to three values changed: if wanted, only to others of the same type."""
    document = copy.deepcopy(draw(st.sampled_from(documents())))
    changes = [_replace_typed] if same_types else [_replace, _replace, _replace_typed, _remove, _add, _wrap, _rename]
    for _ in range(draw(st.integers(1, 3))):
        *parents, key = draw(st.sampled_from(list(key_paths(document))))
        node = document
        for step in parents:
            node = node[step]
        draw(st.sampled_from(changes))(draw, node, key)
        if not document:
            break
    return document


def _replace(draw: st.DrawFn, node: Any, key: Any) -> None:
    node[key] = draw(values())


def _replace_typed(draw: st.DrawFn, node: Any, key: Any) -> None:
    """Another value of the same type, which is most likely to be valid."""
    if isinstance(node[key], (dict, list)):
        return
    strategy: Callable[[], st.SearchStrategy[Any]] = {
        str: text_values, bool: st.booleans, int: st.integers, float: st.floats
    }.get(type(node[key]), values)  # fmt: skip
    node[key] = draw(strategy())


def _remove(draw: st.DrawFn, node: Any, key: Any) -> None:
    del node[key]


def _add(draw: st.DrawFn, node: Any, key: Any) -> None:
    if isinstance(node, dict):
        node[draw(text_values())] = draw(values())
    else:
        node.insert(key, draw(st.one_of(values(), st.just(copy.deepcopy(node[key])))))


def _wrap(draw: st.DrawFn, node: Any, key: Any) -> None:
    for _ in range(draw(st.sampled_from([1, 1, 2, 60]))):
        node[key] = draw(st.sampled_from([[node[key]], {"type": node[key]}]))


def _rename(draw: st.DrawFn, node: Any, key: Any) -> None:
    if isinstance(node, dict):
        node[draw(text_values())] = node.pop(key)


class Dumper(yaml.SafeDumper):
    """Writes a value that occurs twice in full, without an alias."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def dump(document: Any, *, flow: bool = False) -> str:
    return yaml.dump(document, Dumper=Dumper, allow_unicode=True, sort_keys=False, default_flow_style=flow, width=1000)


@st.composite
def changed_texts(draw: st.DrawFn) -> bytes:
    """The text of a document with one to three lines changed: YAML syntax inserted, or the line repeated or removed."""
    text = draw(
        st.one_of(
            st.sampled_from([file.read_text() for file in FILES]),
            changed_documents().map(dump),
            changed_documents().map(lambda document: dump(document, flow=True)),
        )
    )
    for _ in range(draw(st.integers(1, 3))):
        lines = text.splitlines(keepends=True) or [""]
        at = draw(st.integers(0, len(lines) - 1))
        line, piece = lines[at], draw(st.sampled_from(TAGS + SYNTAX + TEMPLATES))
        key = line.partition(": ")[0].rstrip("\n")
        lines[at] = draw(st.sampled_from([f"{key}: {piece}\n", f"{piece}{line}", line * 2, "", f" {line}"]))
        text = "".join(lines)
    encoding = draw(st.sampled_from(["utf-8"] * 6 + ["utf-8-sig", "utf-16", "latin-1"]))
    return text.encode(encoding, errors="replace")


def contents() -> st.SearchStrategy[bytes]:
    """The bytes of a file: valid, almost valid, or arbitrary."""
    return st.one_of(
        changed_documents().map(lambda document: dump(document).encode()),
        changed_texts(),
        values().map(lambda value: dump(value).encode()),
        st.binary(max_size=64),
        st.sampled_from([b"", b" ", b"---\n", b"--- ---", b"\n" * 9, b"type: x", b"&a [*a]", b"[" * 200_000]),
    )
