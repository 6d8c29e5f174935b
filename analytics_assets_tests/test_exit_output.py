"""A process that uses the definitions ends without complaints about leaks of DuckDB's Python binding."""

from __future__ import annotations

import pytest

from analytics_assets_tests.support.project import ROOT, Project

PROCESS = """
import sys
{imports}
duckdb.connect().sql("SELECT 1").fetchall()
{end}
"""


@pytest.mark.parametrize(
    "imports",
    [
        pytest.param("import duckdb, analytics_assets.definitions", id="duckdb-first"),
        pytest.param("import analytics_assets.definitions, duckdb", id="definitions-first"),
        pytest.param("import duckdb, analytics_assets.rest_api.load.table", id="without-dagster"),
    ],
)
@pytest.mark.parametrize("end", ["", "raise ValueError('failed')"], ids=["succeeds", "fails"])
def test_no_leak_is_reported_at_exit(project: Project, imports: str, end: str) -> None:
    code = PROCESS.format(imports=imports, end=end)
    output = project.run("python", "-c", code, env={"PYTHONPATH": str(ROOT)}, ok=not end)
    assert ("failed" in output) is bool(end)
    assert "leaked" not in output
