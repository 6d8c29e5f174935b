"""Loads in processes of their own, killed in a chosen phase; and readers that look at a table all the while."""

from __future__ import annotations

import contextlib
import itertools
import json
import logging
import multiprocessing
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
from analytics_assets.rest_api.load import LoadRequest, prepare

FORKED = multiprocessing.get_context("forkserver")
FORKED.set_forkserver_preload(["analytics_assets_tests.harness.killed_loads"])
BETWEEN = "between statements"
PHASES = ("prepare", "fetch and convert", "normalize", "load", "merge", BETWEEN, "look")
MARKS: tuple[tuple[Any, str, str], ...] = (
    (TablePipeline, "stored_columns", "prepare"),
    (TablePipeline, "extract", "fetch and convert"),
    (TablePipeline, "normalize", "normalize"),
    (TablePipeline, "load", "load"),
    (TableLoadJob, "run", "merge"),
    (pipeline, "describe_table", "look"),
)
PAUSE = 0.05  # seconds that a load stands still between two statements, so that it can be killed there
WRITES = ("DROP TABLE IF EXISTS", "CREATE TABLE", "DELETE", "INSERT", "MERGE")  # statements on the table itself


@dataclass(frozen=True)
class Outcome:
    """What a load in a process of its own came to: the phase that it was killed in, or its error, "" if none."""

    killed_in: str
    error: str
    log: str
    seconds: Mapping[str, float]


@dataclass(frozen=True)
class KeyPath:
    """Where loads run: their temporary folder, what they note, and variables of their own."""

    folder: Path
    environ: Mapping[str, str]

    @property
    def temp(self) -> Path:
        return self.folder / "temp"

    def load(self, request: LoadRequest, *, kill: tuple[str, float] | None = None, largest_file: int = 0) -> Outcome:
        """A load in a process of its own; with `kill`, SIGKILL reaches it so many seconds after a phase began."""
        self.temp.mkdir(exist_ok=True)
        notes = self.folder / "notes"
        for file in self.folder.glob("notes*"):
            file.unlink()
        phase: Any = FORKED.Value(c_int, -1, lock=False)  # a process that is killed would keep the lock
        environ = {**self.environ, "TMPDIR": str(self.temp)}
        process = FORKED.Process(target=_load, args=(request, environ, notes, phase, largest_file))
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
        log, times = notes.with_suffix(".log"), notes.with_suffix(".json")
        return Outcome(
            killed_in,
            notes.with_suffix(".error").read_text() if not killed_in else "",
            log.read_text() if log.exists() else "",
            json.loads(times.read_text()) if not killed_in else {},
        )


def _load(request: LoadRequest, environ: Mapping[str, str], notes: Path, phase: c_int, largest_file: int) -> None:
    if largest_file:
        resource.setrlimit(resource.RLIMIT_FSIZE, (largest_file, largest_file))
    os.environ.update(environ)
    tempfile.tempdir = environ["TMPDIR"]
    logging.getLogger("analytics_assets").setLevel(logging.INFO)
    logging.getLogger("analytics_assets").addHandler(logging.FileHandler(notes.with_suffix(".log")))
    began: dict[str, float] = {}
    for owner, method, name in MARKS:
        _mark(owner, method, name, phase, began)
    error = ""
    try:
        with prepare(request) as load:
            load.run()
    except Exception as problem:
        error = f"{type(problem).__name__}: {problem}"
    ends = [*list(began.values())[1:], time.monotonic()]
    seconds = {name: end - start for (name, start), end in zip(began.items(), ends, strict=True)}
    notes.with_suffix(".json").write_text(json.dumps(seconds))
    notes.with_suffix(".error").write_text(error)


def _mark(owner: Any, method: str, name: str, phase: c_int, began: dict[str, float]) -> None:
    """From now on the method says that its phase began, if none of the later ones has."""
    original = getattr(owner, method)

    def say(name: str) -> bool:
        is_new = PHASES.index(name) > phase.value
        if is_new:
            phase.value = PHASES.index(name)
            began[name] = time.monotonic()
        return is_new

    def marked(*args: Any, **kwargs: Any) -> Any:
        say(name)
        if name == "merge":
            statements = itertools.count()
            sql_client = args[0]._job_client.sql_client
            execute = sql_client.execute_sql

            def execute_marked(*args: Any) -> Any:
                if args[0].startswith(WRITES) and next(statements) == 1 and say(BETWEEN):
                    time.sleep(PAUSE)
                return execute(*args)

            sql_client.execute_sql = execute_marked
        return original(*args, **kwargs)

    setattr(owner, method, marked)


@dataclass
class Reader:
    """What another process saw of a table: how often it looked, and each time that it was not whole."""

    looks: Synchronized[int]
    broken: Synchronized[int]


@contextmanager
def reading(look: Callable[[], tuple[Any, ...] | None], whole: tuple[Any, ...]) -> Iterator[Reader]:
    """A process that looks again and again. `whole` is what it must see; None is no answer (another has the file)."""
    reader = Reader(FORKED.Value("i", 0), FORKED.Value("i", 0))
    stop = FORKED.Event()
    process = FORKED.Process(target=_read, args=(look, whole, reader.looks, reader.broken, stop))
    process.start()
    try:
        yield reader
    finally:
        stop.set()
        process.join()


def _read(look: Callable[[], Any], whole: Any, looks: Synchronized[int], broken: Synchronized[int], stop: Any) -> None:
    while not stop.wait(0.005):
        seen = look()
        if seen is not None:
            looks.value += 1
            broken.value += seen != whole


def look_into_duckdb(file: Path, sql: str) -> tuple[Any, ...] | None:
    with contextlib.suppress(duckdb.IOException), duckdb.connect(str(file), read_only=True) as connection:
        return connection.execute(sql).fetchone()
    return None


def look_into_postgres(credentials: str, sql: str) -> tuple[Any, ...] | None:
    import psycopg2

    with contextlib.closing(psycopg2.connect(credentials)) as connection, connection.cursor() as cursor:
        cursor.execute(sql)
        found: tuple[Any, ...] | None = cursor.fetchone()
        return found
