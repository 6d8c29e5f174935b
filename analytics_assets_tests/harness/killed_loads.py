"""Loads in processes of their own that are killed in a chosen phase, and readers that query a table all the time."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import os
import resource
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from ctypes import c_int
from dataclasses import dataclass
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path
from typing import Any

import duckdb

from analytics_assets.rest_api.destination import pipeline
from analytics_assets.rest_api.destination.dlt_client import TableLoadJob
from analytics_assets.rest_api.destination.pipeline import TablePipeline
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.support.processes import FORK_SERVER

BETWEEN_STATEMENTS = "between statements"
PHASES = ("prepare", "extract", "normalize", "load", "merge", BETWEEN_STATEMENTS, "report")
# The function that begins each phase.
PHASE_STARTS: tuple[tuple[Any, str, str], ...] = (
    (TablePipeline, "stored_columns", "prepare"),
    (TablePipeline, "extract", "extract"),
    (TablePipeline, "normalize", "normalize"),
    (TablePipeline, "load", "load"),
    (TableLoadJob, "run", "merge"),
    (pipeline, "describe_table", "report"),
)
PAUSE_SECONDS = 0.05  # of a load between two statements, so that it can be killed there
READ_INTERVAL_SECONDS = 0.02  # shorter ones keep the DuckDB file from the loads
WRITES = ("DROP TABLE IF EXISTS", "CREATE TABLE", "DELETE", "INSERT", "MERGE")  # statements on the table itself


@dataclass(frozen=True)
class Outcome:
    """The end of a load in a process of its own.

    Attributes:
        killed_in: The phase in which it was killed; "" if it was not.
        error: Its error; "" if it succeeded or was killed.
        log: Its log.
        seconds: The duration of each phase, if it was not killed.
    """

    killed_in: str
    error: str
    log: str
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class LoadRunner:
    """Runs loads in processes of their own.

    Attributes:
        folder: For their temporary files and their notes.
        environ: Further environment variables.
    """

    folder: Path
    environ: Mapping[str, str]

    @property
    def temporary_folder(self) -> Path:
        return self.folder / "temporary"

    def load(self, request: LoadRequest, *, kill: tuple[str, float] | None = None, max_file_size: int = 0) -> Outcome:
        """Load in a new process.

        Args:
            request: The load.
            kill: A phase, and the seconds after its start when the process is killed.
            max_file_size: Bytes to which files of the process may grow.
        """
        self.temporary_folder.mkdir(exist_ok=True)
        notes = self.folder / "notes"
        for file in self.folder.glob("notes*"):
            file.unlink()
        phase: Any = FORK_SERVER.Value(c_int, -1, lock=False)  # a killed process would keep the lock
        environ = {**self.environ, "TMPDIR": str(self.temporary_folder)}
        process = FORK_SERVER.Process(target=_load, args=(request, environ, notes, phase, max_file_size))
        process.start()
        killed_in = ""
        if kill:
            target, seconds = kill
            while process.is_alive() and phase.value < PHASES.index(target):
                time.sleep(0.0005)
            time.sleep(seconds)
            process.kill()
        process.join()
        if process.exitcode == -9:
            killed_in = PHASES[max(phase.value, 0)]
        log, seconds_file = notes.with_suffix(".log"), notes.with_suffix(".json")
        return Outcome(
            killed_in,
            notes.with_suffix(".error").read_text() if not killed_in else "",
            log.read_text() if log.exists() else "",
            json.loads(seconds_file.read_text()) if not killed_in else {},
        )


def _load(request: LoadRequest, environ: Mapping[str, str], notes: Path, phase: c_int, max_file_size: int) -> None:
    if max_file_size:
        resource.setrlimit(resource.RLIMIT_FSIZE, (max_file_size, max_file_size))
    os.environ.update(environ)
    tempfile.tempdir = environ["TMPDIR"]
    logging.getLogger("analytics_assets").setLevel(logging.INFO)
    logging.getLogger("analytics_assets").addHandler(logging.FileHandler(notes.with_suffix(".log")))
    starts: dict[str, float] = {}
    for owner, function, name in PHASE_STARTS:
        _record_phase(owner, function, name, phase, starts)
    error = ""
    try:
        with prepare(request) as load:
            load.run()
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    ends = [*list(starts.values())[1:], time.monotonic()]
    seconds = {name: end - start for (name, start), end in zip(starts.items(), ends, strict=True)}
    notes.with_suffix(".json").write_text(json.dumps(seconds))
    notes.with_suffix(".error").write_text(error)


def _record_phase(owner: Any, function: str, name: str, phase: c_int, starts: dict[str, float]) -> None:
    """Replace a function by one that records the start of its phase, unless a later phase has started."""
    original = getattr(owner, function)

    def start(name: str) -> bool:
        is_later = PHASES.index(name) > phase.value
        if is_later:
            phase.value = PHASES.index(name)
            starts[name] = time.monotonic()
        return is_later

    def recorded(*args: Any, **kwargs: Any) -> Any:
        start(name)
        if name == "merge":
            statements = itertools.count()
            sql_client = args[0]._job_client.sql_client
            execute = sql_client.execute_sql

            def execute_recorded(*args: Any) -> Any:
                if args[0].startswith(WRITES) and next(statements) == 1 and start(BETWEEN_STATEMENTS):
                    time.sleep(PAUSE_SECONDS)
                return execute(*args)

            sql_client.execute_sql = execute_recorded
        return original(*args, **kwargs)

    setattr(owner, function, recorded)


@dataclass
class TableReader:
    """What another process has seen of a table.

    Attributes:
        reads: How often it read the table.
        inconsistent_reads: How often the table was not as expected.
    """

    reads: Synchronized[int]
    inconsistent_reads: Synchronized[int]


@contextmanager
def read_repeatedly(read: Callable[[], tuple[Any, ...] | None], expected: tuple[Any, ...]) -> Iterator[TableReader]:
    """Run a process that reads a table again and again.

    Args:
        read: Returns what is expected of the table, or None while the table cannot be read.
        expected: The value of each read.
    """
    reader = TableReader(FORK_SERVER.Value("i", 0), FORK_SERVER.Value("i", 0))
    stop = FORK_SERVER.Event()
    process = FORK_SERVER.Process(target=_read, args=(read, expected, reader, stop))
    process.start()
    try:
        yield reader
    finally:
        stop.set()
        process.join()


def _read(read: Callable[[], Any], expected: Any, reader: TableReader, stop: Any) -> None:
    while not stop.wait(READ_INTERVAL_SECONDS):
        found = read()
        if found is not None:
            reader.reads.value += 1
            reader.inconsistent_reads.value += found != expected


def read_duckdb(file: Path, sql: str) -> tuple[Any, ...] | None:
    """One row of a query, or None while another process has the file."""
    with contextlib.suppress(duckdb.IOException), duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchone()
    return None


def read_postgres(credentials: str, sql: str) -> tuple[Any, ...] | None:
    """One row of a query."""
    import psycopg2  # the extra `postgres` may not be installed

    with contextlib.closing(psycopg2.connect(credentials)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found
