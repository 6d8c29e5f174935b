"""Any defs.yaml gives definitions, or an error with file, line and key: no stack trace, no hang, no code executed."""

from __future__ import annotations

import os
import re
import signal
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import dagster as dg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from analytics_assets.definitions import build_definitions
from analytics_assets.rest_api.config import COMPONENT
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.strategies.yaml_documents import (
    CANARY,
    PLANTED_SECRET,
    SYNTAX,
    TAGS,
    TEMPLATES,
    changed_documents,
    contents,
    dump,
)
from analytics_assets_tests.support.config_samples import EVERY_KEY

HANG_SECONDS = 60
EXECUTE_EVENTS = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "os.fork", "pty.spawn"}
SIDE_EFFECT_EVENTS = {"socket.connect", "socket.getaddrinfo", "os.remove", "os.rename", "os.putenv", "shutil.rmtree"}
violations: list[str] | None = None  # what a definition must not do, while it is being observed


def audit(event: str, arguments: tuple[Any, ...]) -> None:
    if violations is None:
        return
    if event in EXECUTE_EVENTS or event in SIDE_EFFECT_EVENTS:
        violations.append(event)
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        violations.append(f"open {arguments[0]} to write")


sys.addaudithook(audit)


@contextmanager
def no_side_effects() -> Iterator[None]:
    """Fail if the block hangs, starts a process, writes or connects."""
    global violations

    def hang(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"not finished within {HANG_SECONDS} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    violations = []
    try:
        yield
        assert violations == []
    finally:
        violations = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def build_or_check_error(file: Path, content: bytes) -> dg.Definitions | None:
    """The definitions of a file with this content, or None after an error message in the right form."""
    file.write_bytes(content)
    try:
        with no_side_effects():
            built = build_definitions({"ANALYTICS_DEFS_DIR": str(file.parents[1])})
            dg.Definitions.validate_loadable(built)
            return built
    except ConfigError as error:
        message = str(error)
    for line in message.split("\n"):
        found = re.fullmatch(rf"{re.escape(str(file))}:(\d+):? \S.*", line)
        assert found, line
        assert 1 <= int(found[1]) <= len(re.findall(rb"\r\n?|\n|\xc2\x85|\xe2\x80[\xa8\xa9]", content)) + 1
        assert line.isprintable()
        assert len(line) < 1000
    assert PLANTED_SECRET not in message
    return None


def check_examples(strategy: st.SearchStrategy[Any], count: int, check: Callable[[bytes], None]) -> None:
    """Call the check with a number of examples, which are always the same."""
    settings(
        max_examples=count, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )(given(strategy)(check))()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The defs.yaml of an API `fuzzed`, in a working directory where no code may write."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "defs" / "fuzzed").mkdir(parents=True)
    yield tmp_path / "defs" / "fuzzed" / "defs.yaml"
    assert not (tmp_path / CANARY).exists()


STRATEGIES = {
    "arbitrary": contents(),
    "almost valid": changed_documents(same_types=True).map(lambda d: dump(d).encode()),
}


@pytest.mark.parametrize(
    ("strategy", "examples", "min_valid"),
    [
        ("arbitrary", 300, 1),
        ("almost valid", 150, 30),
        pytest.param("arbitrary", 6_000, 100, marks=pytest.mark.soak),
        pytest.param("almost valid", 3_000, 1_000, marks=pytest.mark.soak),
    ],
)
def test_any_file_gives_definitions_or_an_error_with_its_line(
    strategy: str, examples: int, min_valid: int, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[str] = Counter()

    def check(content: bytes) -> None:
        seen["valid" if build_or_check_error(file, content) else "invalid"] += 1

    check_examples(STRATEGIES[strategy], examples, check)
    assert seen["valid"] >= min_valid
    assert seen["invalid"] >= examples / 10
    if examples >= 1_000:
        with capsys.disabled():
            print(f"\nconfigurations, {strategy}: {dict(seen)}; none hung, executed code or gave a stack trace")


@pytest.mark.parametrize("place", ["client_id: me", "description: Rows.", "{name: a, data_type: text}", "  sandbox:"])
def test_yaml_syntax_as_value_or_key_gives_definitions_or_an_error(place: str, file: Path) -> None:
    text = EVERY_KEY.read_text()
    assert text.count(place) == 1
    key, colon, _ = place.partition(": ")
    for piece in TAGS + SYNTAX + TEMPLATES:
        for changed in (key + colon + piece, piece + place):
            build_or_check_error(file, text.replace(place, changed).encode())


@pytest.mark.parametrize("template", TEMPLATES)
def test_template_in_a_value_is_plain_text(template: str, file: Path) -> None:
    document = {
        "type": COMPONENT,
        "attributes": {
            "client": {"base_url": "https://api.example.com"},
            "resources": [
                {
                    "name": "users",
                    "description": template,
                    "write_disposition": "replace",
                    "endpoint": {"data_selector": "$", "paginator": "single_page", "params": {}},
                }
            ],
        },
    }
    built = build_or_check_error(file, dump(document).encode())
    assert built is not None
    assert built.resolve_asset_graph().get(dg.AssetKey(["fuzzed", "users"])).description == template


@pytest.mark.parametrize(
    ("content", "error"),
    [
        ("type: analytics_asets.components.RestApi\nattributes: {}", f"1 type: must be {COMPONENT}"),
        ("type: os.system\nattributes: {}", f"1 type: must be {COMPONENT}"),
        ("type: RestApi\nattributes: {}", f"1 type: must be {COMPONENT}"),
        ("", "1: must be a mapping with the keys type and attributes"),
        ("a: &a [1]\nb: [*a]", "2: aliases (*name) are not supported: repeat the value, or use `resource_defaults`"),
        ("\ud7ffa".encode("utf-16"), "1: is not UTF-8 text"),
    ],
)  # fmt: skip
def test_file_without_a_component_is_rejected_before_dagster_reads_it(
    content: str | bytes, error: str, file: Path
) -> None:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        build_definitions({"ANALYTICS_DEFS_DIR": str(file.parents[1])})
    assert f"{file}:{error}" in str(caught.value).splitlines()


def test_file_of_another_component_is_left_to_dagster(file: Path) -> None:
    file.write_text("type: dagster.DefsFolderComponent\nattributes: {}\n")
    assert build_definitions({"ANALYTICS_DEFS_DIR": str(file.parents[1])}).resolve_all_asset_keys() == []
