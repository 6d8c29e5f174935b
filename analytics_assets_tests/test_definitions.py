"""The code location: it loads without side effects, and reports invalid settings."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest

from analytics_assets.definitions import build_definitions
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.support.expected_rows import COLUMNS, expected_rows, stored_rows
from analytics_assets_tests.support.project import Project

# Loads the definitions with an audit hook that refuses and reports writes and network calls. Dagster is imported
# before: its own writes do not count (with Python 3.10 it tests whether a temporary folder can be used).
PROBE = """\
import json, os, sys
import dagster

attempts = []
WRITES = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
CHANGES = ("os.mkdir", "os.rename", "os.remove", "os.rmdir", "os.link", "os.symlink", "os.chmod", "os.truncate")
CALLS = ("socket.connect", "socket.sendto", "socket.getaddrinfo", "socket.gethostbyname")

def refuse(event, arguments):
    if event == "open" and arguments[0] != os.devnull and (arguments[2] or 0) & WRITES:
        attempts.append(f"{event} {arguments[0]}")
        raise PermissionError(13, "read-only", str(arguments[0]))
    if event in CHANGES or event in CALLS:
        attempts.append(f"{event} {arguments}")
        raise PermissionError(13, "not allowed here")

sys.addaudithook(refuse)
from analytics_assets.definitions import defs
repository = defs.get_repository_def()
print(json.dumps({
    "environ": sorted(os.environ),
    "attempts": attempts,
    "assets": sorted(key.to_user_string() for key in repository.assets_defs_by_key),
    "jobs": sorted(repository.job_names),
    "schedules": sorted(schedule.name for schedule in repository.schedule_defs),
}))
"""


def test_loading_has_no_side_effects(tmp_path: Path) -> None:
    """Without any variable, not even HOME, in a read-only folder and without network."""
    folder = tmp_path / "read_only"
    folder.mkdir(mode=0o555)
    done = subprocess.run([sys.executable, "-B", "-c", PROBE], cwd=folder, env={}, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")
    seen = json.loads(done.stdout)
    assert seen["attempts"] == []
    assert len(seen["assets"]) == 8
    assert len(seen["schedules"]) == 2
    assert "full_refresh" in seen["jobs"]
    assert list(folder.iterdir()) == []


def test_invalid_setting_is_an_error_at_definition_time() -> None:
    for name in ("EXECUTOR", "DEFS_DIR", "LOCK_SECONDS", "STEP_RETRIES", "STEP_RETRY_SECONDS"):
        with pytest.raises(ConfigError, match=f"^ANALYTICS_{name}"):
            build_definitions({f"ANALYTICS_{name}": "/nowhere"})


def test_empty_setting_counts_as_unset() -> None:
    names = ("EXECUTOR", "DEFS_DIR", "DESTINATION", "DATASET_PREFIX", "DUCKDB_PATH", "STATE_DIR")
    found = build_definitions({f"ANALYTICS_{name}": "" for name in names})
    assert len(list(found.resolve_all_asset_keys())) == 8


@pytest.mark.e2e
def test_command_line_shows_the_error_without_stack_trace(project: Project) -> None:
    console = project.execute("full_refresh", env={"ANALYTICS_EXECUTOR": "threads"}, ok=False)
    assert (
        console.splitlines()[-1]
        == "Error: ANALYTICS_EXECUTOR: 'threads' is unknown. Set it to one of in_process, multiprocess, celery, k8s_job"
    )
    assert "Traceback" not in console


@pytest.mark.e2e
def test_multiprocess_executor_runs_each_asset_in_its_own_process(project: Project) -> None:
    """Four processes load into one DuckDB file, and all four tables are complete."""
    console = project.execute("full_refresh", env={"ANALYTICS_EXECUTOR": "multiprocess"})
    for table in COLUMNS:
        assert stored_rows(project.warehouse, table.replace(".", "_sandbox.")) == expected_rows(table)
    # Dagster's warning about its command; of each table the sandbox's warning, the start and the end of the load.
    assert len(console.splitlines()) == 2 + 4 * 3
    with dg.DagsterInstance.from_config(str(project.folder / ".dagster")) as instance:
        [run] = instance.get_runs()
        starts = instance.all_logs(run.run_id, dg.DagsterEventType.STEP_START)
        assert len({entry.dagster_event.pid for entry in starts if entry.dagster_event}) == 4
