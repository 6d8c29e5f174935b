"""Searches everything that a run writes for secrets, in every form in which they may be written."""

from __future__ import annotations

import json
import sqlite3
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

import duckdb
import urllib3

SQLITE_MAGIC, DUCKDB_MAGIC = b"SQLite format 3\0", b"DUCK"


def encodings(secret: str) -> set[bytes]:
    """The secret as text, in URLs, in JSON, and in base64 at any position of a longer text."""
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe=""), safe="")}
    texts |= {text.replace("%2F", "%2f").replace("%3D", "%3d").replace("%2B", "%2b") for text in texts}
    texts |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    found = {text.encode() for text in texts}
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            encoded = encode(b"\0" * before + secret.encode()).rstrip(b"=")
            # The first and the last characters depend on the neighbouring bytes.
            found.add(encoded[(before * 8 + 5) // 6 : len(encoded) - 1])
    return found


@dataclass
class SecretScan:
    """A search for secrets.

    Attributes:
        secrets: The values by their names.
        found: Where a secret was found, and its name.
        bytes_read: How much was searched.
    """

    secrets: dict[str, str]
    found: set[tuple[str, str]] = field(default_factory=set)
    bytes_read: int = 0

    def __post_init__(self) -> None:
        assert all(len(secret) >= 12 for secret in self.secrets.values())
        self._encodings = [(encoded, name) for name, secret in self.secrets.items() for encoded in encodings(secret)]

    @property
    def encoding_count(self) -> int:
        """The number of byte strings that are searched."""
        return len(self._encodings)

    def scan_text(self, where: str, content: bytes | str) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.bytes_read += len(content)
        self.found.update((where, name) for encoded, name in self._encodings if encoded in content)

    def scan_folder(self, folder: Path, *, exclude: Iterable[Path] = ()) -> None:
        """Search all files, their names, and the rows of databases, whose pages may split a value."""
        excluded = set(exclude)
        for path in sorted(folder.rglob("*")):
            if excluded.intersection(path.parents) or path in excluded:
                continue
            self.scan_text(f"name of {path}", path.name)
            if path.is_file():
                try:
                    content = path.read_bytes()
                except FileNotFoundError:  # deleted since it was listed
                    continue
                self.scan_text(str(path), content)
                if content.startswith(SQLITE_MAGIC):
                    self.scan_text(f"rows of {path}", "\n".join(sqlite_rows(path)))
                elif content[8:12] == DUCKDB_MAGIC:
                    self.scan_text(f"rows of {path}", "\n".join(duckdb_rows(path)))

    def scan_processes(self) -> None:
        """Search the arguments of every process on this machine."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.scan_text(str(path), path.read_bytes())
            except OSError:  # the process ended
                continue


def sqlite_rows(file: Path) -> Iterator[str]:
    with closing(sqlite3.connect(f"file:{file}?mode=ro", uri=True)) as connection:
        yield from connection.iterdump()


def duckdb_rows(file: Path) -> Iterator[str]:
    with duckdb.connect(str(file), read_only=True) as connection:
        found = "SELECT table_schema, table_name FROM information_schema.tables"
        for schema, table in connection.execute(found).fetchall():
            for row in connection.execute(f'SELECT * FROM "{schema}"."{table}"').fetchall():
                yield repr(row)
        yield from (repr(row) for row in connection.execute("SELECT sql FROM duckdb_tables()").fetchall())


class GraphQLReader:
    """Reads what the UI can show: all fields of a query, down to a depth."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/graphql"
        type_fields = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }"
        schema = self.query(
            f"{{ __schema {{ types {{ kind name possibleTypes {{ name }} "
            f"fields {{ name args {{ name defaultValue type {{ kind }} }} type {{ {type_fields} }} }} }} }} }}"
        )
        self.types: dict[str, Any] = {each["name"]: each for each in schema["__schema"]["types"]}

    def query(self, query: str, **variables: Any) -> dict[str, Any]:
        response = urllib3.request("POST", self.url, json={"query": query, "variables": variables}, timeout=120).json()
        assert "errors" not in response, str(response["errors"])[:1000]
        data: dict[str, Any] = response["data"]
        return data

    def all_fields(self, type_name: str, depth: int) -> str:
        """A selection of all fields without required arguments, each under an alias unique to its type."""
        described = self.types[type_name]
        if described["kind"] in ("UNION", "INTERFACE"):
            names = [one["name"] for one in described["possibleTypes"]]
            return "__typename " + " ".join(f"... on {name} {{ {self.all_fields(name, depth)} }}" for name in names)
        selected = ["__typename"]
        for described_field in described["fields"]:
            if described_field["name"] == "pipelineName":  # fails for events without a pipeline
                continue
            if any(a["type"]["kind"] == "NON_NULL" and a["defaultValue"] is None for a in described_field["args"]):
                continue
            target = described_field["type"]
            while target.get("ofType"):
                target = target["ofType"]
            name = f"{type_name}_{described_field['name']}: {described_field['name']}"
            if target["kind"] in ("SCALAR", "ENUM"):
                selected.append(name)
            elif depth:
                selected.append(f"{name} {{ {self.all_fields(target['name'], depth - 1)} }}")
        return " ".join(selected)

    def read_all(self, location: str) -> Iterator[tuple[str, str]]:
        """What the UI shows of runs, their events and logs, of assets, resources, variables and the instance."""
        where = f'repositorySelector: {{repositoryName: "__repository__", repositoryLocationName: "{location}"}}'
        metadata = f"metadataEntries {{ {self.all_fields('MetadataEntry', 1)} }}"
        queries = {
            "runs": "runsOrError { ... on Runs { results { runId runConfigYaml tags { key value } } } }",
            "assets": f"assetNodes {{ id description {metadata} assetMaterializations {{ {metadata} }} }}",
            "resources": f"allTopLevelResourceDetailsOrError({where}) "
            f"{{ {self.all_fields('ResourceDetailsListOrError', 2)} }}",
            "variables": f"utilizedEnvVarsOrError({where}) {{ {self.all_fields('EnvVarWithConsumersOrError', 2)} }}",
            "instance": f"instance {{ {self.all_fields('Instance', 0)} }}",
            "workspace": f"workspaceOrError {{ {self.all_fields('WorkspaceOrError', 2)} }}",
        }
        for name, query in queries.items():
            yield name, json.dumps(self.query(f"{{ {query} }}"), ensure_ascii=False)
        for run in self.query("{ runsOrError { ... on Runs { results { runId } } } }")["runsOrError"]["results"]:
            yield from self._read_logs(run["runId"], metadata)

    def _read_logs(self, run: str, metadata: str) -> Iterator[tuple[str, str]]:
        event = f"{self.all_fields('DagsterRunEvent', 1)} ... on MaterializationEvent {{ {metadata} }}"
        events = f"cursor hasMore events {{ ... on LogsCapturedEvent {{ fileKey }} {event} }}"
        query = f"""query($after: String) {{
            logsForRun(runId: "{run}", afterCursor: $after) {{ ... on EventConnection {{ {events} }} }}
        }}"""
        cursor, has_more = None, True
        while has_more:
            page = self.query(query, after=cursor)["logsForRun"]
            cursor, has_more = page["cursor"], page["hasMore"]
            yield f"events of {run}", json.dumps(page, ensure_ascii=False)
            for key in filter(None, (each.get("fileKey") for each in page["events"])):
                log_key = json.dumps([run, "compute_logs", key])
                logs = self.query(f"{{ capturedLogs(logKey: {log_key}) {{ stdout stderr }} }}")
                yield f"log {key}", json.dumps(logs)
