"""A low-code manifest as a defs.yaml."""

from __future__ import annotations

import fnmatch
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from analytics_assets.rest_api.config.parsing.validation import nearest
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs.airbyte.endpoints.limits import convert_limits
from analytics_assets.specs.airbyte.incremental import cadence
from analytics_assets.specs.airbyte.settings import Settings
from analytics_assets.specs.airbyte.stream import StreamConverter
from analytics_assets.specs.airbyte.stream_index import StreamIndex
from analytics_assets.specs.airbyte.stream_table import ConvertedStream
from analytics_assets.specs.document import ApiDocument
from analytics_assets.specs.validation import remove_rejected

FIRST_DAY = "2025-01-01"
SHARED = ("paginator", "error_handler", "headers", "params", "values", "data_selector")


def is_manifest(document: Any) -> bool:
    """Whether the values are a low-code manifest."""
    if not isinstance(document, dict) or "openapi" in document or "swagger" in document:
        return False
    has_streams = isinstance(document.get("streams"), list) or isinstance(document.get("dynamic_streams"), list)
    return document.get("type") == "DeclarativeSource" or (has_streams and document.get("type") is None)


def convert_manifest(document: Any, api: str, only: Sequence[str] = ()) -> ApiDocument:
    """The API that a manifest describes.

    Args:
        document: The manifest.
        api: The API's name.
        only: Names of resources, or patterns; parents are added.

    Raises:
        ConfigError: The manifest has no streams, its references lead nowhere, or there is no such resource.
    """
    return ManifestConverter(document, api).convert(only)


class ManifestConverter:
    """Converts one manifest."""

    def __init__(self, document: Mapping[str, Any], api: str) -> None:
        self._api = api
        self._index = StreamIndex(document)
        self._document = self._index.manifest
        self._settings = Settings(self._document, api)

    def convert(self, only: Sequence[str] = ()) -> ApiDocument:
        """The API, or the resources of these names with their parents."""
        converted = {
            resource: StreamConverter(stream, resource, self._settings, self._index).convert()
            for resource, stream in self._index.streams.items()
        }
        chosen = self._chosen(converted, only)
        if not chosen:
            raise ConfigError(self._without_streams())
        out = ApiDocument(self._api)
        version = self._document.get("version")
        out.title = [
            f"The API {self._api}, converted from an Airbyte low-code manifest"
            + (
                f" (version {version})." if isinstance(version, str) and re.fullmatch(r"[\w.-]{1,20}", version) else "."
            ),
            "Comments say what to decide and what is not carried: see docs/convert.md.",
        ]
        base = self._base_url(out, chosen)
        auth = Counter(str(each.auth) for each in chosen).most_common(1)[0][0]
        client: dict[str, Any] = {"base_url": base}
        if common := next((each.auth for each in chosen if str(each.auth) == auth), None):
            client["auth"] = common
        resources: list[dict[str, Any]] = []
        out.attributes = {"client": client, "resources": resources}
        for index, each in enumerate(chosen):
            if str(each.auth) != auth:
                each.resource["endpoint"]["auth"] = each.auth
            resources.append(_ordered(each.resource))
            for place, note in each.notes:
                out.decide(("resources", index, *place), note)
            for place, what, changes_rows in each.lost:
                out.skip(("resources", index, *place), what, changes_rows=changes_rows)
        client |= convert_limits(self._document, self._settings, partial(out.skip, ("client",)))
        for what, changes_rows in self._index.problems:
            out.skip(("resources",), what, changes_rows=changes_rows)
        if self._document.get("dynamic_streams"):
            out.skip(("resources",), "dynamic streams, which the connector finds when it runs", changes_rows=True)
        self._set_partitions(out, chosen)
        remove_rejected(out)
        _share(out)
        return out

    def _without_streams(self) -> str:
        """Why there is nothing to convert."""
        listed = self._document.get("streams")
        if self._document.get("dynamic_streams") and not listed:
            return "dynamic_streams: the connector finds its streams when it runs, and `streams` has none to convert"
        if isinstance(listed, list):
            return "streams: contains no stream with a `retriever`: the manifest needs at least one"
        return "streams: is required: a list of streams, each with `name` and `retriever`"

    def _chosen(self, converted: Mapping[str, ConvertedStream], only: Sequence[str]) -> list[ConvertedStream]:
        by_name = {each.resource["name"]: each for each in converted.values()}
        chosen = set() if only else set(by_name)
        for pattern in only:
            if not (found := fnmatch.filter(by_name, pattern)):
                raise ConfigError(f"there is no stream {pattern!r}{nearest(pattern, by_name)}")
            chosen.update(found)
        pending = list(chosen)
        while pending:
            each = by_name[pending.pop()]
            text = f"{each.url} {each.resource}"
            for parent, column in re.findall(r"\{resources\.(\w+)\.([^}]+)\}", text):
                self._include(by_name.get(parent), column)
                if parent in by_name and parent not in chosen:
                    chosen.add(parent)
                    pending.append(parent)
        for each in by_name.values():  # again, for columns that were added to parents of parents
            for parent, column in re.findall(r"\{resources\.(\w+)\.([^}]+)\}", f"{each.url} {each.resource}"):
                self._include(by_name.get(parent), column)
        return [each for name, each in by_name.items() if name in chosen]

    @staticmethod
    def _include(parent: ConvertedStream | None, column: str) -> None:
        """Let the parent have a column with a value of its own parent."""
        if parent is None or not column.startswith("_"):
            return
        found = re.findall(r"\{resources\.(\w+)\.([^}]+)\}", f"{parent.url} {parent.resource['endpoint']}")
        for above, field in found:
            included = parent.resource.setdefault("include_from_parent", [])
            if column == f"_{above}_{field}" and field not in included:
                included.append(field)
            if not included:
                del parent.resource["include_from_parent"]

    def _base_url(self, out: ApiDocument, chosen: Sequence[ConvertedStream]) -> Any:
        """The base URL of most streams; it is removed from their paths."""
        splits = [_split(each.url) for each in chosen]
        host = Counter(host for host, _ in splits).most_common(1)[0][0]
        bases = [_split(each.base) for each in chosen]
        prefix = _common_prefix([f"{path.rstrip('/')}/" for own, path in bases if own == host])
        for index, (each, (own, path)) in enumerate(zip(chosen, splits, strict=True)):
            rest = path[len(prefix) :] if own == host else path
            each.resource["endpoint"]["path"] = rest if rest.startswith("/") or not rest else f"/{rest}"
            _drop_unused_values(each)
            if own != host:
                out.skip(("resources", index, "endpoint", "path"), f"the host {own}: an API has one", changes_rows=True)
        base = f"{host}{prefix}"
        if "{" in base or not re.fullmatch(r"https?://[^/?#\s@]+[!-~]*", base):
            variable = {"env": self._settings.variable("base_url")}
            out.decide(("client", "base_url"), f"{variable['env']} is {base.replace('{', '<').replace('}', '>')}")
            return variable
        return base

    def _set_partitions(self, out: ApiDocument, chosen: Sequence[ConvertedStream]) -> None:
        syncs = [each.sync for each in chosen if each.sync]
        if not syncs:
            return
        starts = sorted({sync.starts_at for sync in syncs if sync.starts_at})
        out.attributes["partitions"] = {"cadence": cadence([sync.step_seconds for sync in syncs]), "start": FIRST_DAY}
        if starts:
            out.attributes["partitions"]["start"] = starts[0]
        else:
            out.decide(("partitions", "start"), "the first day to load; the connector has a setting for it.")


def _split(url: str) -> tuple[str, str]:
    """Scheme and host, and the path."""
    match = re.match(r"(https?://[^/]*|\{[^}]*\}[^/]*)(.*)", url)
    return (match[1], match[2]) if match else (url, "")


def _common_prefix(paths: Sequence[str]) -> str:
    """The segments that all paths have in common, without the last one of each."""
    if not paths:
        return ""
    split = [path.split("/")[:-1] for path in paths]
    common = []
    for segments in zip(*split, strict=False):
        if len(set(segments)) > 1 or "{resources." in segments[0]:
            break
        common.append(segments[0])
    prefix = "/".join(common)
    return prefix if "{" not in prefix else prefix[: prefix.index("{")].rstrip("/")


def _drop_unused_values(each: ConvertedStream) -> None:
    """Remove the values whose placeholders are in the base URL only."""
    endpoint = each.resource["endpoint"]
    values = endpoint.pop("values", {})
    text = str(endpoint)
    if used := {name: value for name, value in values.items() if f"{{{name}}}" in text}:
        endpoint["values"] = used


def _ordered(resource: dict[str, Any]) -> dict[str, Any]:
    keys = (
        "name",
        "primary_key",
        "null_key",
        "write_disposition",
        "include_from_parent",
        "exclude",
        "columns",
        "endpoint",
    )
    return {key: resource[key] for key in keys if key in resource}


def _share(out: ApiDocument) -> None:
    """Move what all resources have in common to `resource_defaults`."""
    resources = out.attributes["resources"]
    if len(resources) < 2:
        return
    defaults: dict[str, Any] = {}
    first = resources[0]
    if "primary_key" in first and all(each.get("primary_key") == first["primary_key"] for each in resources):
        defaults["primary_key"] = first["primary_key"]
        for each in resources:
            del each["primary_key"]
    shared: dict[str, Any] = {}
    for key in SHARED:
        value = first["endpoint"].get(key)
        if value is not None and all(each["endpoint"].get(key) == value for each in resources):
            shared[key] = value
            for each in resources:
                del each["endpoint"][key]
    if shared:
        defaults["endpoint"] = shared
    if defaults:
        out.attributes = {"client": out.attributes["client"], "resource_defaults": defaults} | {
            key: value for key, value in out.attributes.items() if key != "client"
        }
