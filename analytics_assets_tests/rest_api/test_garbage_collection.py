"""Collections skip imported modules and definitions, and find other garbage as before."""

from __future__ import annotations

import subprocess
import sys

import pytest

STATE = "import gc; print(gc.isenabled(), gc.get_freeze_count() > 50_000)"
LIST_THAT_HOLDS_ITSELF = "garbage = []; garbage.append(garbage); del garbage; import gc; print(gc.collect() > 0)"


def output_of(code: str) -> list[str]:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.split()


@pytest.mark.parametrize("imports", ["analytics_assets.definitions", "analytics_assets.rest_api.load.table"])
def test_collections_skip_imported_modules(imports: str) -> None:
    assert output_of(f"import {imports}; {STATE}; {LIST_THAT_HOLDS_ITSELF}") == ["True", "True", "True"]


def test_nothing_is_frozen_once_duckdb_is_imported() -> None:
    assert output_of(f"import duckdb, analytics_assets.rest_api.load.table; {STATE}") == ["True", "False"]


@pytest.mark.parametrize("switch", ["enable", "disable"])
def test_collection_is_as_before_after_an_error(switch: str) -> None:
    code = f"""
import contextlib, gc
from analytics_assets.rest_api.garbage_collection import long_lived_objects
gc.{switch}()
with contextlib.suppress(ZeroDivisionError), long_lived_objects():
    1 / 0
print(gc.isenabled())
"""
    assert output_of(code) == [str(switch == "enable")]
