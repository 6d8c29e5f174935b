"""Looks for secrets wherever a run leaves traces, in every form that they are written in."""

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

SQLITE, DUCKDB = b"SQLite format 3\0", b"DUCK"


def forms(secret: str) -> set[bytes]:
    """The secret as text, in URLs, in JSON, and in base64 wherever in a longer text it may have stood."""
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe=""), safe="")}
    texts |= {text.replace("%2F", "%2f").replace("%3D", "%3d").replace("%2B", "%2b") for text in texts}
    texts |= {json.dumps(secret)[1:-1], repr(secret)[1:-1]}
    found = {text.encode() for text in texts}
    for encode in (b64encode, urlsafe_b64encode):
        for before in range(3):
            encoded = encode(b"\0" * before + secret.encode()).rstrip(b"=")
            # The first and the last characters depend on what stands beside.
            found.add(encoded[(before * 8 + 5) // 6 : len(encoded) - 1])
    return found


@dataclass
class Scan:
    """A search for secrets; counts what it read, and keeps what it found as (where, which)."""

    secrets: dict[str, str]  # what it is -> its value
    found: set[tuple[str, str]] = field(default_factory=set)
    bytes_read: int = 0

    def __post_init__(self) -> None:
        assert all(len(secret) >= 12 for secret in self.secrets.values())
        self._forms = [(form, what) for what, secret in self.secrets.items() for form in forms(secret)]

    def text(self, where: str, content: bytes | str) -> None:
        content = content.encode() if isinstance(content, str) else content
        self.bytes_read += len(content)
        self.found.update((where, what) for form, what in self._forms if form in content)

    def folder(self, folder: Path, *, leave_out: Iterable[Path] = ()) -> None:
        """All files, their names, and what is inside of databases, whose pages may cut a value in two."""
        left_out = set(leave_out)
        for path in sorted(folder.rglob("*")):
            if left_out.intersection(path.parents) or path in left_out:
                continue
            self.text(f"name of {path}", path.name)
            if path.is_file():
                try:
                    content = path.read_bytes()
                except FileNotFoundError:  # removed meanwhile
                    continue
                self.text(str(path), content)
                if content.startswith(SQLITE):
                    self.text(f"rows of {path}", "\n".join(sqlite_rows(path)))
                elif content[8:12] == DUCKDB:
                    self.text(f"rows of {path}", "\n".join(duckdb_rows(path)))

    def processes(self) -> None:
        """The arguments of every process that runs here."""
        for path in Path("/proc").glob("[0-9]*/cmdline"):
            try:
                self.text(str(path), path.read_bytes())
            except OSError:  # it ended meanwhile
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


class GraphQL:
    """What the UI can be asked: all that a query answers, down to a depth."""

    def __init__(self, url: str) -> None:
        self.url = f"{url}/graphql"
        kinds = "kind name ofType { kind name ofType { kind name ofType { kind name ofType { kind name } } } }"
        known = self.ask(
            f"{{ __schema {{ types {{ kind name possibleTypes {{ name }} "
            f"fields {{ name args {{ name defaultValue type {{ kind }} }} type {{ {kinds} }} }} }} }} }}"
        )
        self.types: dict[str, Any] = {each["name"]: each for each in known["__schema"]["types"]}

    def ask(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = urllib3.request("POST", self.url, json={"query": query, "variables": variables}, timeout=120).json()
        assert "errors" not in answer, str(answer["errors"])[:1000]
        data: dict[str, Any] = answer["data"]
        return data

    def everything(self, kind: str, depth: int) -> str:
        """A selection of all fields that ask for no argument; fields of one name in many types go by an alias each."""
        described = self.types[kind]
        if described["kind"] in ("UNION", "INTERFACE"):
            names = [one["name"] for one in described["possibleTypes"]]
            return "__typename " + " ".join(f"... on {name} {{ {self.everything(name, depth)} }}" for name in names)
        selected = ["__typename"]
        for described_field in described["fields"]:
            if described_field["name"] == "pipelineName":  # fails where it is asked for without a pipeline
                continue
            if any(a["type"]["kind"] == "NON_NULL" and a["defaultValue"] is None for a in described_field["args"]):
                continue
            target = described_field["type"]
            while target.get("ofType"):
                target = target["ofType"]
            name = f"{kind}_{described_field['name']}: {described_field['name']}"
            if target["kind"] in ("SCALAR", "ENUM"):
                selected.append(name)
            elif depth:
                selected.append(f"{name} {{ {self.everything(target['name'], depth - 1)} }}")
        return " ".join(selected)

    def answers(self, location: str) -> Iterator[tuple[str, str]]:
        """What the UI shows of runs, their events and logs, of assets, resources, variables and the instance."""
        where = f'repositorySelector: {{repositoryName: "__repository__", repositoryLocationName: "{location}"}}'
        metadata = f"metadataEntries {{ {self.everything('MetadataEntry', 1)} }}"
        asked = {
            "runs": "runsOrError { ... on Runs { results { runId runConfigYaml tags { key value } } } }",
            "assets": f"assetNodes {{ id description {metadata} assetMaterializations {{ {metadata} }} }}",
            "resources": f"allTopLevelResourceDetailsOrError({where}) "
            f"{{ {self.everything('ResourceDetailsListOrError', 2)} }}",
            "variables": f"utilizedEnvVarsOrError({where}) {{ {self.everything('EnvVarWithConsumersOrError', 2)} }}",
            "instance": f"instance {{ {self.everything('Instance', 0)} }}",
            "workspace": f"workspaceOrError {{ {self.everything('WorkspaceOrError', 2)} }}",
        }
        for what, query in asked.items():
            yield what, json.dumps(self.ask(f"{{ {query} }}"), ensure_ascii=False)
        for run in self.ask("{ runsOrError { ... on Runs { results { runId } } } }")["runsOrError"]["results"]:
            yield from self._logs(run["runId"], metadata)

    def _logs(self, run: str, metadata: str) -> Iterator[tuple[str, str]]:
        event = f"{self.everything('DagsterRunEvent', 1)} ... on MaterializationEvent {{ {metadata} }}"
        events = f"cursor hasMore events {{ ... on LogsCapturedEvent {{ fileKey }} {event} }}"
        query = f"""query($after: String) {{
            logsForRun(runId: "{run}", afterCursor: $after) {{ ... on EventConnection {{ {events} }} }}
        }}"""
        cursor, more = None, True
        while more:
            page = self.ask(query, after=cursor)["logsForRun"]
            cursor, more = page["cursor"], page["hasMore"]
            yield f"events of {run}", json.dumps(page, ensure_ascii=False)
            for key in filter(None, (each.get("fileKey") for each in page["events"])):
                log_key = json.dumps([run, "compute_logs", key])
                yield f"log {key}", json.dumps(self.ask(f"{{ capturedLogs(logKey: {log_key}) {{ stdout stderr }} }}"))
