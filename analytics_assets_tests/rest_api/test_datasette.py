"""Against a server that is not ours: a table of Datasette, by bearer token and `_next` cursor, in exact rows."""

from __future__ import annotations

import json
import os
import re
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import duckdb
import pytest
import urllib3

from analytics_assets.rest_api.config import load_config
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets_tests.support.loaders import Loader
from analytics_assets_tests.support.project import BIN, Project

DEFS = Path(__file__).parent.parent / "fixtures" / "datasette"
TOKEN = "an archivist's token"
BOOKS = [
    (
        ("Łódź, upper", "São Paulo / 2", "地下~1")[n % 3],
        f"{('Ulysses', 'Преступление', '源氏物語', 'a,b %2C+&=?#')[n % 4]} {n:03}",
        2**53 + n if n % 7 else None,
        n / 8 if n % 5 else None,
        "" if n % 11 == 0 else None if n % 3 == 0 else "line one\nline 'two'",
        f"2026-10-{n % 28 + 1:02}" if n % 13 else None,
    )
    for n in range(330)
]
ARCHIVE = {
    "letters": [(n, f"letter {n}") for n in range(1, 121)],
    "maps": [(1, "Łódź")],
    "photographs": [],
}
PLUGIN = """
from datasette import hookimpl


@hookimpl
def actor_from_request(datasette, request):
    sent, token = request.headers.get("authorization"), datasette.plugin_config("token")["token"]
    return {"id": "archivist"} if sent == f"Bearer {token}" else None
"""
METADATA: dict[str, Any] = {"allow": {"id": "archivist"}, "plugins": {"token": {"token": {"$env": "ARCHIVE_TOKEN"}}}}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A Datasette server on a port that it chose, with the books; only who has the token may look."""
    folder = tmp_path_factory.mktemp("datasette")
    with closing(sqlite3.connect(folder / "library.db")) as connection, connection:
        connection.execute(
            "CREATE TABLE books (shelf TEXT, title TEXT, isbn INTEGER, price REAL, notes TEXT, acquired TEXT, "
            "PRIMARY KEY (shelf, title))"
        )
        connection.executemany("INSERT INTO books VALUES (?, ?, ?, ?, ?, ?)", BOOKS)
    with closing(sqlite3.connect(folder / "archive.db")) as connection, connection:
        for table, rows in ARCHIVE.items():
            connection.execute(f"CREATE TABLE {table} (id INTEGER PRIMARY KEY, title TEXT)")
            connection.executemany(f"INSERT INTO {table} VALUES (?, ?)", rows)
    (folder / "plugins").mkdir()
    (folder / "plugins" / "token.py").write_text(PLUGIN)
    (folder / "metadata.json").write_text(json.dumps(METADATA))
    server = subprocess.Popen(
        [
            BIN / "datasette",
            "library.db",
            "archive.db",
            "--port",
            "0",
            "--plugins-dir",
            "plugins",
            "--metadata",
            "metadata.json",
        ],
        cwd=folder,
        env={**os.environ, "ARCHIVE_TOKEN": TOKEN},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield address(server)
    finally:
        server.terminate()
        server.communicate()


def address(server: subprocess.Popen[str]) -> str:
    """Where a server that has just started listens: it says so itself, once it does."""
    assert server.stderr
    said = ""
    for line in server.stderr:
        said += line
        if found := re.search(r"running on (http://\S+)", line):
            return found[1]
    pytest.fail(f"datasette did not start:\n{said}")


@pytest.mark.e2e
def test_exact_rows(url: str, project: Project) -> None:
    environ = {"ARCHIVE_BASE_URL": url, "ARCHIVE_API_TOKEN": TOKEN, "ANALYTICS_DEFS_DIR": str(DEFS)}
    printed = project.execute("archive_snapshot", env=environ)
    assert "archive/books: 330 rows" in printed
    loaded = project.query("SELECT shelf, title, isbn, price, notes, CAST(acquired AS TEXT) FROM archive.books")
    assert sorted(loaded) == sorted(BOOKS)


def test_refused_without_the_token(url: str, tmp_path: Path) -> None:
    assert urllib3.request("GET", f"{url}/library/books.json").status == 403
    environ = {"ARCHIVE_BASE_URL": url, "ARCHIVE_API_TOKEN": "another token"}
    loader = Loader("archive", environ, tmp_path)
    with pytest.raises(ResponseError, match=r"/library/books\.json, page 1: the API returned 403") as refused:
        loader.load(load_config(DEFS / "archive" / "defs.yaml"), "books")
    assert "another token" not in str(refused.value)
    assert not loader.types("books")


def test_rows_of_all_tables_of_all_databases(url: str, tmp_path: Path) -> None:
    """Three levels: databases, their tables, and the rows of each table, page by page."""
    loader = Loader("archive", {"ARCHIVE_BASE_URL": url, "ARCHIVE_API_TOKEN": TOKEN}, tmp_path)
    config = load_config(DEFS.with_name("datasette_levels") / "archive" / "defs.yaml")
    for resource in ("databases", "tables", "records"):
        result = loader.load(config, resource)
    with duckdb.connect(str(loader.file), read_only=True) as connection:
        loaded = connection.execute(
            "SELECT _tables__databases_name, _tables_name, title FROM archive.records ORDER BY ALL"
        ).fetchall()
    expected = [("library", "books", book[1]) for book in BOOKS]
    expected += [("archive", table, title) for table, rows in ARCHIVE.items() for _, title in rows]
    assert loaded == sorted(expected)
    parents = result.statistics.parents
    assert parents
    assert (parents.read, parents.without_rows) == (4, 1)
