"""Streams of a manifest, converted, loaded from their fake API and compared row by row."""

from __future__ import annotations

import itertools
import json
import os
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import duckdb
import yaml

from analytics_assets.rest_api.config import ResolvedResource, RestApiConfig, load_config
from analytics_assets.rest_api.destination.warehouse import Warehouse
from analytics_assets.rest_api.errors import RestApiError
from analytics_assets.rest_api.load.request import LoadRequest, LoadResult
from analytics_assets.rest_api.load.table import load_table
from analytics_assets.rest_api.windows import Window
from analytics_assets.specs import convert
from analytics_assets_tests.specs.manifest_api.components import Component, UnsupportedError, streams_of
from analytics_assets_tests.specs.manifest_api.rows import removed_paths, without_removed
from analytics_assets_tests.specs.manifest_api.server import ManifestApi
from analytics_assets_tests.specs.manifest_api.settings import (
    as_variable,
    described_names,
    names_of,
    on_localhost,
    settings_of,
    snake,
)
from analytics_assets_tests.specs.manifest_api.shapes import requester_of, shape_of
from analytics_assets_tests.specs.manifest_api.templates import paths_in, render
from analytics_assets_tests.specs.manifest_api.times import read

FIRST = datetime(2026, 6, 1, tzinfo=timezone.utc)  # a Monday
LENGTHS = {"hourly": timedelta(hours=1), "daily": timedelta(days=1), "weekly": timedelta(days=7)}
MONTHS = [datetime(2026, month, 1, tzinfo=timezone.utc) for month in (6, 7, 8, 9)]
TIME = re.compile(r"(\d{4}-\d\d-\d\d)[T ](\d\d:\d\d)(:\d\d)?(\.\d+)?(Z|[+-]00:?00)?")
NOTE = re.compile(r"(?P<name>[A-Z][A-Z0-9_]+) is (?:what the connector (?:computes as|sends as) )?(?P<value>.*)")


@dataclass
class Outcome:
    """What a stream's load shows.

    Attributes:
        stream: The name of the stream.
        shape: What distinguishes it: authentication, paginator, partitions, window.
        rows: How many rows were compared.
        unsupported: Why the fake API cannot serve it; empty if it can.
        difference: How the tables differ from the rows that were served; empty if they are equal.
    """

    stream: str
    shape: tuple[str, ...] = ()
    rows: int = 0
    unsupported: str = ""
    difference: str = ""

    @property
    def problem(self) -> str:
        """Why the stream was not compared, or the difference."""
        return self.unsupported or self.difference


@dataclass
class Connector:
    """A converted manifest.

    Attributes:
        api: Its name.
        manifest: The manifest, with its hosts on this machine.
        text: The defs.yaml.
        config: The defs.yaml, read.
        is_whole: Whether everything that changes rows was converted.
    """

    api: str
    manifest: Component
    text: str
    config: RestApiConfig
    is_whole: bool
    streams: list[Component] = field(default_factory=list)

    @classmethod
    def convert(cls, file: Path, folder: Path, port: int) -> Connector:
        """Convert a manifest whose hosts are served on a port of this machine."""
        api = snake(file.stem)
        api = api if api[:1].isalpha() else f"x_{api}"
        text = on_localhost(file.read_text(encoding="utf-8"), port)
        path = folder / api / "defs.yaml"
        path.parent.mkdir(parents=True)
        source = path.parent / "manifest.yaml"
        source.write_text(text, encoding="utf-8")
        document = convert(source, api=api)
        path.write_text(document.to_yaml(), encoding="utf-8")
        manifest = yaml.safe_load(text)
        streams = streams_of(manifest) if document.is_whole else []
        return cls(api, manifest, document.to_yaml(), load_config(path), document.is_whole, streams)

    def settings(self, stream: Component, port: int) -> dict[str, Any]:
        """Values for the settings that the stream and the defs.yaml need."""
        prefix = f"{self.api}_".upper()
        names = {name.removeprefix(prefix).lower() for name in re.findall(r"env: ([A-Z0-9_]+)", self.text)}
        settings = settings_of(self.manifest, names)
        for name in sorted(names - names_of(settings).keys() - described_names(self.manifest.get("spec"))):
            settings[name] = f"value-{name.replace('_', '-')}"
        base = str(requester_of(stream).get("url_base") or requester_of(stream).get("url") or "")
        if base.strip().startswith("{{") and "http" not in base:
            for path in paths_in(base, "config")[:1]:
                target = settings
                for step in path[1:-1]:
                    target = target.setdefault(step, {})
                if not str(target.get(path[-1])).startswith("http"):
                    # Some settings are URLs with a slash at the end.
                    has_slash = re.search(rf"config\[['\"]+{path[-1]}['\"]+\]\s*\}}\}}\w", self.text)
                    target[path[-1]] = f"http://setting.localhost:{port}{'/' if has_slash else ''}"
        return settings

    def environ(self, settings: Mapping[str, Any], authenticator: Mapping[str, Any]) -> dict[str, str]:
        """The environment variables of the defs.yaml, as its comments describe them."""
        values, prefix = names_of(settings), f"{self.api}_".upper()
        environ = {f"{prefix}{name}".upper(): as_variable(value) for name, value in values.items()}
        notes = {found["name"]: found["value"] for found in NOTE.finditer(self.text)}
        for name, value in sorted(notes.items(), key=lambda note: "<" in note[1]):
            if "{{" in value:
                environ[name] = "" if "…" in value else render(value, {}, config=settings).strip()
                if not environ[name]:
                    raise UnsupportedError(f"the value of {name}, which is empty or not written in full")
            elif value.startswith("a constant"):
                key = name.removeprefix(prefix).lower()
                environ[name] = str(authenticator.get(key, ""))
            elif value.startswith(("http", "<")):
                environ[name] = re.sub(r"<(\w+)>", lambda found: environ.get(f"{prefix}{found[1]}".upper(), ""), value)
        return environ

    def windows(self) -> list[datetime]:
        """The starts of three partitions, and the end of the last one."""
        cadence = self.config.partitions.cadence if self.config.partitions else "daily"
        return MONTHS if cadence == "monthly" else [FIRST + LENGTHS[cadence] * number for number in range(4)]

    def resource(self, stream: str) -> ResolvedResource | None:
        """The resource of a stream."""
        name = snake(stream)[:60].rstrip("_")
        by_name = {each.name: each for each in self.config.resolved_resources()}
        return by_name.get(name) or by_name.get(f"x_{name}")


class StreamLoad:
    """The load of one stream and of its parents."""

    def __init__(self, connector: Connector, stream: Component, port: int, folder: Path) -> None:
        self._connector, self._stream, self._port = connector, stream, port
        self._dataset = f"{connector.api}_{connector.streams.index(stream)}"
        self._warehouse = Warehouse(
            duckdb_path=folder / "warehouse.duckdb", state_dir=folder / "state", lock_seconds=60
        )

    def run(self, serving: list[ManifestApi]) -> Outcome:
        """Serve the stream, load it, and compare."""
        outcome = Outcome(str(self._stream["name"]))
        try:
            outcome.shape = shape_of(self._stream)
            settings = self._connector.settings(self._stream, self._port)
            authenticator = requester_of(self._stream).get("authenticator") or {}
            environ = {**os.environ, **self._connector.environ(settings, authenticator)}
            api = ManifestApi(settings, self._connector.windows())
            api.add(self._stream, [])
        except (UnsupportedError, KeyError, TypeError, AttributeError) as error:
            outcome.unsupported = f"{type(error).__name__}: {error}"[:140]
            return outcome
        serving.append(api)
        try:
            for name in api.streams:
                outcome.difference = outcome.difference or self._load_and_compare(api, name, environ)
                outcome.rows += len(api.streams[name].rows)
        except (RestApiError, ValueError, duckdb.CatalogException) as error:
            outcome.difference = f"{type(error).__name__}: {error}"
        if outcome.difference and api.rejected:
            outcome.difference += f" | the API rejected {api.rejected[0]}"
            if any("UnsupportedError" in each for each in api.rejected):
                outcome.unsupported, outcome.difference = api.rejected[0], ""
        return outcome

    def _load_and_compare(self, api: ManifestApi, name: str, environ: Mapping[str, str]) -> str:
        """Load all windows, then the full history; how the tables differ from the rows that the API has."""
        resource = self._connector.resource(name)
        if resource is None:
            return f"the stream {name} has no resource"
        client = self._connector.config.client.model_copy(
            update={"allow_insecure_http": True, "max_requests_per_second": None}
        )
        request = LoadRequest(
            api=self._connector.api, client=client, resource=resource, warehouse=self._warehouse,
            dataset=self._dataset, environ=environ,
        )  # fmt: skip
        if resource.endpoint.incremental is None:
            return self._compare(api, name, resource, [load_table(request)])
        starts = self._connector.windows()
        windows = [Window(*bounds) for bounds in itertools.pairwise(starts)]
        results = [load_table(replace(request, window=window)) for window in windows]
        difference = self._compare(api, name, resource, results)
        if difference or name != self._stream["name"]:
            return difference
        difference = self._compare(api, name, resource, [load_table(replace(request, full_refresh=True))])
        return f"full refresh: {difference}" if difference else ""

    def _compare(self, api: ManifestApi, stream: str, resource: ResolvedResource, results: Sequence[LoadResult]) -> str:
        """How the table differs from the rows that the API has; empty if it does not."""
        served = api.streams[stream]
        fields = {column: name for result in results for column, name in result.fields.items()}
        removed = {path[0] for path in removed_paths(served.component) if len(path) == 1}
        cursor, format = served.cursor
        expected = sorted(
            _row({
                name: read(str(value), format) if name == cursor else value
                for name, value in without_removed(served.component, row).items()
            })
            for _, _, row in served.rows
        )  # fmt: skip
        with duckdb.connect(str(self._warehouse.duckdb_path)) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            found = connection.execute(f'SELECT * FROM "{self._dataset}"."{resource.name}"')
            columns = [each[0] for each in found.description or ()]
            table = found.fetchall()
        names = {fields.get(column, column) for column in columns if not column.startswith("_dlt")}
        key = resource.primary_key or ()
        if kept := {name for name in removed & names if name not in key}:
            return f"{resource.name} has the removed fields {kept}"
        served_names = {name for _, _, row in served.rows for name in row}
        shown = [index for index, column in enumerate(columns) if fields.get(column, column) not in removed
                 and (not column.startswith("_") or fields.get(column) in served_names)]  # fmt: skip
        rows = sorted(
            _row({
                (name := fields.get(columns[index], columns[index])): read(str(row[index]), format)
                if name == cursor and isinstance(row[index], (str, int)) else row[index]
                for index in shown
            })
            for row in table
        )  # fmt: skip
        if rows == expected:
            return self._compare_partitions(served, columns, table)
        missing = [row for row in expected if row not in rows]
        other = [row for row in rows if row not in expected]
        return (
            f"{resource.name}: {len(rows)} rows, not {len(expected)}; {len(missing)} are missing, such as "
            f"{str(missing[:1])[:400]}; {len(other)} are others, such as {str(other[:1])[:400]}"
        )

    @staticmethod
    def _compare_partitions(served: Any, columns: Sequence[str], table: Sequence[Sequence[Any]]) -> str:
        """Whether a column has the partition's value of each row, where the connector adds it."""
        for each in served.component.get("transformations") or ():
            for added in each.get("fields") or () if each.get("type") == "AddFields" else ():
                paths = paths_in(added.get("value"), "stream_partition", "stream_slice")
                steps = paths[0][1:] if len(paths) == 1 else ()
                if len(steps) != 1 or "if" in str(added["value"]) or steps[0] not in served.slices[0].slice.partition:
                    continue
                wanted = sorted(str(part.partition[steps[0]]) for part, _, _ in served.rows)
                if not any(
                    column.startswith("_") and sorted(str(row[index]) for row in table) == wanted
                    for index, column in enumerate(columns)
                ):
                    return f"no column has the values of the partition field {steps[0]}"
        return ""


def _row(row: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((name, _text(value)) for name, value in row.items()))


def _text(value: Any) -> str:
    """A value in one way to write it: times in UTC, objects as sorted JSON."""
    if isinstance(value, str) and value[:1] in "[{":
        value = json.loads(value)
    if isinstance(value, (dict, list)):
        return json.dumps(value, sort_keys=True)
    if isinstance(value, str) and (found := TIME.fullmatch(value)):
        return f"{found[1]} {found[2]}{found[3] or ':00'}{(found[4] or '').rstrip('0').rstrip('.')}"
    if isinstance(value, datetime):
        return _text(value.replace(tzinfo=None).isoformat())
    return f"{value} 00:00:00" if isinstance(value, date) else str(value)


def outcomes(
    file: Path, folder: Path, port: int, serving: list[ManifestApi], names: Collection[str] = ()
) -> Iterator[Outcome]:
    """Load streams of a manifest with their parents; nothing if it was not converted whole.

    Args:
        file: The manifest.
        folder: Where the defs.yaml and the tables are written.
        port: The port of the fake APIs.
        serving: The fake APIs; the one of the stream is added.
        names: The streams; by default, one of each shape.
    """
    connector = Connector.convert(file, folder, port)
    seen = set()
    for stream in connector.streams:
        shape = shape_of(stream)
        if (stream["name"] in names) if names else (shape not in seen):
            outcome = StreamLoad(connector, stream, port, folder / connector.api).run(serving)
            if not outcome.unsupported:
                seen.add(shape)
            yield outcome
