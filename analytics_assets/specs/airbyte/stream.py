"""One stream of a manifest as one resource of a defs.yaml."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.specs.airbyte.authenticators import convert_auth
from analytics_assets.specs.airbyte.columns import convert_columns
from analytics_assets.specs.airbyte.error_handlers import convert_error_handler
from analytics_assets.specs.airbyte.incremental import Sync, read_sync
from analytics_assets.specs.airbyte.paginators import PaginatorConverter, Pagination, json_path
from analytics_assets.specs.airbyte.partitions import ParentLink, Routing, read_routing, stream_name
from analytics_assets.specs.airbyte.renderer import Renderer, Scope
from analytics_assets.specs.airbyte.request_parts import RequestConverter, RequestParts
from analytics_assets.specs.airbyte.settings import Settings
from analytics_assets.specs.airbyte.templates import NotExpressible, is_template
from analytics_assets.specs.airbyte.transformations import Transformed, transform

Place = tuple[str | int, ...]
FORMATS = {"JsonlDecoder": "jsonl", "CsvDecoder": "csv"}
IGNORED_SYNCS = frozenset({"DatetimeBasedCursor", None})


@dataclass
class ConvertedStream:
    """A stream as a resource.

    Attributes:
        resource: The resource, without `auth` and with the whole URL in `url`.
        url: Base URL and path.
        auth: The value of `auth`; None if requests need no credentials.
        lost: What is not carried: its place, what it is, and whether it changes rows.
        notes: What a person has to decide: its place, and a sentence.
    """

    resource: dict[str, Any]
    url: str = ""
    auth: Any = None
    sync: Sync | None = None
    lost: list[tuple[Place, str, bool]] = field(default_factory=list)
    notes: list[tuple[Place, str]] = field(default_factory=list)


class StreamConverter:
    """Converts one stream."""

    def __init__(
        self, stream: Mapping[str, Any], name: str, settings: Settings, resource_of: Callable[[Any], str], parent_fields: Any,
        ancestors: Any,
    ) -> None:
        """Args: the stream, its resource's name, the settings, and what gives the names of parents and their fields."""
        self._ancestors = ancestors
        self._stream, self._settings, self._resource_of = stream, settings, resource_of
        self._parent_fields = parent_fields
        self.converted = ConvertedStream({"name": name})
        retriever = stream.get("retriever")
        self._retriever: Mapping[str, Any] = retriever if isinstance(retriever, Mapping) else {}

    def convert(self) -> ConvertedStream:
        """The resource."""
        out, renderer = self.converted, Renderer(self._settings, Scope())
        self._check_types()
        routing = read_routing(self._retriever.get("partition_router"), renderer)
        self._bind_partitions(routing, renderer.scope)
        sync = self._sync(renderer)
        selector = self._selector()
        renderer.scope.position = self._position()
        parts = self._request(renderer, routing, sync)
        pagination = self._pagination(renderer, selector, parts)
        keys = transform(self._stream, renderer.scope.partitions, self._report)
        self._assemble(parts, pagination, routing, selector, renderer)
        self._set_incremental(sync, renderer, keys)
        self._set_key(keys, sync)
        self._set_columns(keys)
        for note in dict.fromkeys([*renderer.notes, *pagination.notes]):
            out.notes.append((("endpoint",), note))
        return out

    def _report(self, place: Place, what: str, changes_rows: bool) -> None:
        self.converted.lost.append((place, what, changes_rows))

    def _check_types(self) -> None:
        kind = self._stream.get("type")
        if kind != "DeclarativeStream":
            self._report((), f"the stream's type {kind}", True)
        retriever = self._retriever
        if not retriever:
            self._report((), "a stream without retriever", True)
        elif retriever.get("type") != "SimpleRetriever":
            self._report(("endpoint",), f"the retriever {retriever.get('class_name') or retriever.get('type')}", True)
        requester = retriever.get("requester")
        if isinstance(requester, Mapping):
            if requester.get("type") != "HttpRequester":
                what = requester.get("class_name") or requester.get("type")
                self._report(("endpoint",), f"the requester {what}", True)
            for key in ("fetch_properties_from_endpoint", "query_properties"):
                if requester.get(key):
                    self._report(("endpoint", "params"), f"{key} of the requests", True)
        elif retriever.get("type") == "SimpleRetriever":
            self._report(("endpoint",), "a retriever without requester", True)

    def _bind_partitions(self, routing: Routing, scope: Scope) -> None:
        scope.partitions |= routing.names
        for link in routing.parents[:1] if len(routing.parents) == 1 else self._deepest(routing, scope):
            parent = self._resource_of(link.stream)
            scope.partitions[(link.partition_field,)] = f"{{resources.{parent}.{link.field}}}"
            for extra in routing.extra_fields:
                scope.partitions[("extra_fields", extra)] = f"{{resources.{parent}.{extra}}}"
            for path, column in self._parent_fields(parent).items():
                scope.partitions.setdefault(("parent_slice", *path), f"{{resources.{parent}.{column}}}")
                scope.partitions.setdefault(path, f"{{resources.{parent}.{column}}}")
        for what, changes_rows in routing.lost:
            self._report(("endpoint",), what, changes_rows)

    def _deepest(self, routing: Routing, scope: Scope) -> list[ParentLink]:
        """The parent whose own parents are the other parents: its rows have the values of all of them."""
        for link in routing.parents:
            columns = self._ancestors(self._resource_of(link.stream))
            others = [each for each in routing.parents if each is not link]
            keys = [(self._resource_of(each.stream), each.field) for each in others]
            if all(key in columns for key in keys):
                for each, key in zip(others, keys, strict=True):
                    placeholder = f"{{resources.{self._resource_of(link.stream)}.{columns[key]}}}"
                    scope.partitions[(each.partition_field,)] = placeholder
                return [link]
        if routing.parents:
            names = ", ".join(stream_name(link.stream) for link in routing.parents)
            self._report(("endpoint",), f"more than one parent ({names}): a resource has one", True)
        return routing.parents[:1]

    def _sync(self, renderer: Renderer) -> Sync | None:
        component = self._stream.get("incremental_sync")
        sync = read_sync(component, renderer)
        if sync is None and isinstance(component, Mapping):
            what = component.get("class_name") or component.get("type")
            self._report(("endpoint", "incremental"), f"the incremental sync {what}", "Custom" in str(component.get("type")))
        if sync is not None:
            renderer.scope.has_window, renderer.scope.time_format = True, sync.format
        return sync

    def _selector(self) -> str:
        selector = self._retriever.get("record_selector")
        selector = selector if isinstance(selector, Mapping) else {}
        extractor = selector.get("extractor")
        extractor = extractor if isinstance(extractor, Mapping) else {}
        place: Place = ("endpoint", "data_selector")
        path = extractor.get("field_path")
        if extractor.get("type") != "DpathExtractor":
            what = extractor.get("class_name") or extractor.get("type") or "without type"
            self._report(place, f"the record extractor {what}", True)
        if record_filter := selector.get("record_filter"):
            self._record_filter(record_filter)
        if (normalization := selector.get("schema_normalization")) not in (None, "None"):
            custom = isinstance(normalization, Mapping)
            self._report(place, "the normalization of values by the schema: values keep the API's types", custom)
        path = path if isinstance(path, list) else [path] if path else []
        if any(is_template(step) or step == "**" for step in path):
            self._report(place, f"the path {path} of the records", True)
            path = []
        text = json_path(tuple(step if isinstance(step, int) else str(step) for step in path if step != "*"))
        if "*" in path:
            text = "".join(".*" if step == "*" else f".{json_path((str(step),))}" for step in path).lstrip(".")
        return text or "$"

    def _record_filter(self, record_filter: Any) -> None:
        condition = record_filter.get("condition") if isinstance(record_filter, Mapping) else None
        what = " ".join(str(condition or record_filter.get("class_name") if isinstance(record_filter, Mapping) else "").split())
        self._report(("endpoint", "data_selector"), f"the record filter {what[:160]}: all records are loaded", True)

    def _position(self) -> str | None:
        paginator = self._retriever.get("paginator")
        strategy = paginator.get("pagination_strategy") if isinstance(paginator, Mapping) else None
        kind = strategy.get("type") if isinstance(strategy, Mapping) else None
        return {"PageIncrement": "page", "OffsetIncrement": "offset"}.get(str(kind))

    def _request(self, renderer: Renderer, routing: Routing, sync: Sync | None) -> RequestParts:
        requester = self._retriever.get("requester")
        requester = requester if isinstance(requester, Mapping) else {}

        def report(place: Place, what: str, changes_rows: bool) -> None:
            self._report(("endpoint", *place), what, changes_rows)

        def omit(text: str) -> None:
            self.converted.notes.append((("endpoint",), text))

        parts = RequestConverter(requester, renderer, report, omit).convert()
        try:
            self.converted.auth = convert_auth(requester.get("authenticator"), renderer)
        except NotExpressible as error:
            self._report(("endpoint", "auth"), str(error), True)
        options = [(place, name, renderer.scope.partitions[(each,)]) for each, place, name in routing.options
                   if (each,) in renderer.scope.partitions]  # fmt: skip
        if sync:
            bounds = {"start": "{start}", "end": "{end}"}
            options += [(place, name, bounds[bound]) for bound, (place, name) in sync.options.items() if place != "request_parameter"]
        for place, name, text in options:
            self._inject(parts, place, name, text)
            renderer.used.add(text.strip("{}") if text in ("{start}", "{end}") else text)
        return parts

    def _inject(self, parts: RequestParts, place: str, name: str, text: str) -> None:
        if place == "request_parameter":
            parts.params[name] = text
        elif place == "header":
            parts.headers[name] = text
        elif place in ("body_json", "body_data") and parts.method != "GET":
            try:
                body = parts.body(place)
            except NotExpressible as error:
                self._report(("endpoint", "json"), str(error), True)
                return
            *outer, last = name.split(".")
            for key in outer:
                body = body.setdefault(key, {}) if isinstance(body, dict) else {}
            if isinstance(body, dict):
                body[last] = text
        else:
            self._report(("endpoint",), f"the value {name}, which is sent in {place}", True)

    def _pagination(self, renderer: Renderer, selector: str, parts: RequestParts) -> Pagination:
        token_place = parts.token_place or (("text", "") if renderer.scope.position in renderer.used else None)
        converter = PaginatorConverter(
            self._retriever.get("paginator"), renderer, selector=selector, token_param=token_place
        )
        try:
            pagination = converter.convert()
        except NotExpressible as error:
            self._report(("endpoint", "paginator"), str(error), True)
            return Pagination({"type": "single_page"})
        for what, changes_rows in pagination.lost:
            self._report(("endpoint", "paginator"), what, changes_rows)
        return pagination

    def _assemble(
        self, parts: RequestParts, pagination: Pagination, routing: Routing, selector: str, renderer: Renderer
    ) -> None:
        endpoint: dict[str, Any] = {"path": ""}
        if parts.method != "GET":
            endpoint["method"] = parts.method
        parts.params |= {name: value for name, value in pagination.params.items() if name not in parts.params}
        parts.headers |= {name: value for name, value in pagination.headers.items() if name not in parts.headers}
        for name, value in pagination.json.items():
            self._inject(parts, "body", name, value) if parts.method == "GET" else parts.body("body").setdefault(name, value)
        if self._sent_twice(parts, pagination):
            pagination.paginator["limit_param"] = self._sent_twice(parts, pagination)
        for key in ("params", "headers"):
            if fields := getattr(parts, key):
                endpoint[key] = fields
        for key in ("json", "data"):
            if getattr(parts, key) is not None:
                endpoint[key] = getattr(parts, key)
        if pagination.paginator.keys() & {f"{name}_body_path" for name in ("page", "offset", "cursor", "limit")}:
            if parts.method == "GET":
                self._report(("endpoint", "paginator"), "a page in the body of a GET", True)
                pagination.paginator = {"type": "single_page"}
        endpoint["data_selector"] = selector
        endpoint["paginator"] = pagination.paginator if len(pagination.paginator) > 1 else pagination.paginator["type"]
        self._set_decoder(endpoint)
        requester = self._retriever.get("requester")
        handler, lost = convert_error_handler(requester.get("error_handler") if isinstance(requester, Mapping) else None)
        for what, changes_rows in lost:
            self._report(("endpoint", "error_handler"), what, changes_rows)
        endpoint |= {"error_handler": handler} if handler else {}
        self._set_placeholders(endpoint, routing, renderer)
        self.converted.url = parts.url
        self.converted.resource["endpoint"] = endpoint

    @staticmethod
    def _sent_twice(parts: RequestParts, pagination: Pagination) -> str | None:
        """The parameter that the page size of an offset paginator is sent in, if the connector writes it literally."""
        paginator = pagination.paginator
        if paginator["type"] != "offset" or paginator.get("limit_param", "") is not None or "limit_body_path" in paginator:
            return None
        names = [name for name, value in parts.params.items() if value == str(paginator["limit"])]
        return names[0] if len(names) == 1 and not parts.params.pop(names[0], None) is None else None

    def _set_placeholders(self, endpoint: dict[str, Any], routing: Routing, renderer: Renderer) -> None:
        for name, values in routing.for_each.items():
            if f"{{{name}}}" in renderer.used:
                endpoint.setdefault("for_each", {})[name] = values
            else:
                what = f"the list {name}, which does not change the requests: the endpoint is read once"
                self._report(("endpoint", "for_each"), what, False)
        if routing.parents and not any("{resources." in text for text in renderer.used):
            self._report(("endpoint",), "the parent, which does not change the requests: the endpoint is read once", False)
        if values := {name: value for name, value in renderer.values.items() if name not in routing.for_each}:
            endpoint["values"] = values

    def _set_decoder(self, endpoint: dict[str, Any]) -> None:
        decoder = self._retriever.get("decoder")
        while isinstance(decoder, Mapping) and decoder.get("type") in ("GzipDecoder", "CompositeRawDecoder"):
            decoder = decoder.get("decoder") or decoder.get("parser")
        kind = decoder.get("type") if isinstance(decoder, Mapping) else "JsonDecoder"
        if kind in FORMATS:
            endpoint["format"] = FORMATS[str(kind)]
            if endpoint["data_selector"] != "$":
                self._report(("endpoint", "data_selector"), f"the path of the records in {FORMATS[str(kind)]}", True)
                endpoint["data_selector"] = "$"
        elif kind not in ("JsonDecoder", "JsonParser", None):
            what = decoder.get("class_name") or kind if isinstance(decoder, Mapping) else kind
            self._report(("endpoint", "format"), f"the decoder {what}", True)

    def _set_incremental(self, sync: Sync | None, renderer: Renderer, keys: Transformed) -> None:
        if sync is None:
            return
        place: Place = ("endpoint", "incremental")
        params = {f"{bound}_param": name for bound, (kind, name) in sync.options.items() if kind == "request_parameter"}
        if not params and not renderer.used & {"start", "end"}:
            what = "the incremental sync, whose requests have no time filter: each load reads all rows"
            what += ", also those before the connector's start date" if sync.is_client_side else ""
            self._report(place, what, sync.is_client_side)
            return
        formats = {each for each in renderer.formats if each}
        incremental: dict[str, Any] = {}
        is_made = sync.cursor_field in keys.added
        if sync.cursor_field and not is_made:
            incremental["cursor_path"] = sync.cursor_field
        incremental |= params
        from analytics_assets.specs.airbyte.incremental import time_format

        named = {time_format(each) if "%" in each else each for each in formats}
        if len(named) > 1 or (named and params and named != {sync.format}):
            self._report(place, "several formats of times in one request", True)
        format = next(iter(named)) if len(named) == 1 and not params else sync.format
        if format != "iso8601":
            incremental["format"] = format
        if sync.cursor_format is None and format != sync.format:
            sync.cursor_format = sync.format
        if seconds := sync.lookback_seconds:
            incremental["lookback"] = f"{seconds // 86_400} days" if seconds % 86_400 == 0 else f"PT{seconds}S"
        self.converted.resource["endpoint"]["incremental"] = incremental
        self.converted.sync = sync
        for name in params.values():
            self.converted.resource["endpoint"].get("params", {}).pop(name, None)

    def _set_key(self, keys: Transformed, sync: Sync | None) -> None:
        resource = self.converted.resource
        incremental = resource["endpoint"].get("incremental")
        if keys.primary_key:
            resource["primary_key"] = keys.primary_key if len(keys.primary_key) > 1 else keys.primary_key[0]
        elif incremental and incremental.get("cursor_path"):
            resource["write_disposition"] = "append"
        else:
            resource["write_disposition"] = "replace"
            if incremental:
                del resource["endpoint"]["incremental"]
                self.converted.sync = None
                what = "the incremental sync of rows without key and time: each load reads all rows"
                self._report(("endpoint", "incremental"), what, False)
        if keys.include_from_parent and "{resources." in str(resource["endpoint"]) + self.converted.url:
            resource["include_from_parent"] = keys.include_from_parent
        if keys.exclude:
            resource["exclude"] = keys.exclude

    def _set_columns(self, keys: Transformed) -> None:
        columns = convert_columns(self._stream.get("schema_loader"), keys.exclude)
        sync, resource = self.converted.sync, self.converted.resource
        cursor = resource["endpoint"].get("incremental", {}).get("cursor_path")
        if cursor and sync:
            columns.pop(cursor, None)
            if sync.cursor_format:
                number = sync.cursor_format.startswith("epoch")
                columns[cursor] = {"type": "integer" if number else "string", "format": sync.cursor_format}
        if columns:
            resource["columns"] = columns
