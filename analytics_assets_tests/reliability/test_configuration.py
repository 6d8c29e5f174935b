"""Whatever YAML: a definition, or an error with file, line and key. No stack trace, no hang, and no code is run."""

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
    PLANTED,
    SYNTAX,
    TAGS,
    TEMPLATES,
    changed_documents,
    contents,
    dump,
)
from analytics_assets_tests.support.config_samples import EVERY_KEY

HANG_SECONDS = 60
EXECUTES = {"os.system", "os.exec", "os.posix_spawn", "os.spawn", "subprocess.Popen", "os.fork", "pty.spawn"}
REACHES_OUT = {"socket.connect", "socket.getaddrinfo", "os.remove", "os.rename", "os.putenv", "shutil.rmtree"}
watched: list[str] | None = None  # what happened meanwhile that a definition must not do


def watch(event: str, arguments: tuple[Any, ...]) -> None:
    if watched is None:
        return
    if event in EXECUTES or event in REACHES_OUT:
        watched.append(event)
    elif event == "open" and isinstance(arguments[2], int) and arguments[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
        watched.append(f"open {arguments[0]} to write")


sys.addaudithook(watch)


@contextmanager
def watching() -> Iterator[None]:
    """Ends what hangs, and sees what runs, writes or connects."""
    global watched

    def hang(number: int, frame: FrameType | None) -> None:
        raise TimeoutError(f"no answer within {HANG_SECONDS} s")

    before = signal.signal(signal.SIGALRM, hang)
    signal.setitimer(signal.ITIMER_REAL, HANG_SECONDS)
    watched = []
    try:
        yield
        assert watched == []
    finally:
        watched = None
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def definitions(file: Path, content: bytes) -> dg.Definitions | None:
    """What Dagster makes of a file with this content; None after an error that is as an error should be."""
    file.write_bytes(content)
    try:
        with watching():
            built = build_definitions({"ANALYTICS_DEFS_DIR": str(file.parents[1])})
            dg.Definitions.validate_loadable(built)
            return built
    except ConfigError as error:
        said = str(error)
    for line in said.split("\n"):
        told = re.fullmatch(rf"{re.escape(str(file))}:(\d+):? \S.*", line)
        assert told, line
        assert 1 <= int(told[1]) <= len(re.findall(rb"\r\n?|\n|\xc2\x85|\xe2\x80[\xa8\xa9]", content)) + 1
        assert line.isprintable()
        assert len(line) < 1000
    assert PLANTED not in said
    return None


def many(examples: int, check: Callable[[bytes], None], strategy: st.SearchStrategy[Any]) -> None:
    """Runs the check over so many examples, always the same ones."""
    settings(
        max_examples=examples, derandomize=True, deadline=None, database=None, suppress_health_check=list(HealthCheck)
    )(given(strategy)(check))()


@pytest.fixture
def file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The defs.yaml of an API `fuzzed`, in a working directory where no code may have been at work."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "defs" / "fuzzed").mkdir(parents=True)
    yield tmp_path / "defs" / "fuzzed" / "defs.yaml"
    assert not (tmp_path / CANARY).exists()


STRATEGIES = {"anything": contents(), "nearly valid": changed_documents(gently=True).map(lambda d: dump(d).encode())}


@pytest.mark.parametrize(
    ("strategy", "examples", "least_taken"),
    [
        ("anything", 300, 1),
        ("nearly valid", 150, 30),
        pytest.param("anything", 6_000, 100, marks=pytest.mark.soak),
        pytest.param("nearly valid", 3_000, 1_000, marks=pytest.mark.soak),
    ],
)
def test_whatever_yaml_becomes_definitions_or_an_error_with_its_place(
    strategy: str, examples: int, least_taken: int, file: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seen: Counter[str] = Counter()

    def check(content: bytes) -> None:
        seen["taken" if definitions(file, content) else "refused"] += 1

    many(examples, check, STRATEGIES[strategy])
    assert seen["taken"] >= least_taken
    assert seen["refused"] >= examples / 10
    if examples >= 1_000:
        with capsys.disabled():
            print(f"\nconfigurations, {strategy}: {dict(seen)}; none hung, ran code or left a stack trace")


@pytest.mark.parametrize("place", ["client_id: me", "description: Rows.", "{name: a, data_type: text}", "  sandbox:"])
def test_each_piece_of_syntax_in_place_of_a_value_and_of_a_key(place: str, file: Path) -> None:
    text = EVERY_KEY.read_text()
    assert text.count(place) == 1
    key, colon, _ = place.partition(": ")
    for piece in TAGS + SYNTAX + TEMPLATES:
        for changed in (key + colon + piece, piece + place):
            definitions(file, text.replace(place, changed).encode())


@pytest.mark.parametrize("written", TEMPLATES)
def test_a_template_stays_the_text_that_it_is(written: str, file: Path) -> None:
    document = {
        "type": COMPONENT,
        "attributes": {
            "client": {"base_url": "https://api.example.com"},
            "resources": [
                {
                    "name": "users",
                    "description": written,
                    "write_disposition": "replace",
                    "endpoint": {"data_selector": "$", "paginator": "single_page", "params": {}},
                }
            ],
        },
    }
    built = definitions(file, dump(document).encode())
    assert built is not None
    assert built.resolve_asset_graph().get(dg.AssetKey(["fuzzed", "users"])).description == written


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("type: analytics_asets.components.RestApi\nattributes: {}", f"1 type: must be {COMPONENT}"),
        ("type: os.system\nattributes: {}", f"1 type: must be {COMPONENT}"),
        ("type: RestApi\nattributes: {}", f"1 type: must be {COMPONENT}"),
        ("", "1: must be a mapping with the keys type and attributes"),
        ("a: &a [1]\nb: [*a]", "2: aliases (*name) are not supported: repeat the value, or use `resource_defaults`"),
        ("\ud7ffa".encode("utf-16"), "1: is not UTF-8 text"),
    ],
)  # fmt: skip
def test_a_file_that_names_no_component_is_told_before_dagster_reads_it(
    content: str | bytes, said: str, file: Path
) -> None:
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ConfigError) as caught:
        build_definitions({"ANALYTICS_DEFS_DIR": str(file.parents[1])})
    assert f"{file}:{said}" in str(caught.value).splitlines()


def test_another_component_is_left_to_dagster(file: Path) -> None:
    file.write_text("type: dagster.DefsFolderComponent\nattributes: {}\n")
    assert build_definitions({"ANALYTICS_DEFS_DIR": str(file.parents[1])}).resolve_all_asset_keys() == []
