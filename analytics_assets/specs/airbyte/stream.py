"""One stream of a manifest as one resource of a defs.yaml."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from analytics_assets.specs.airbyte.endpoints.authenticators import convert_auth
from analytics_assets.specs.airbyte.endpoints.error_handlers import convert_error_handler
from analytics_assets.specs.airbyte.endpoints.paginators import Pagination, PaginatorConverter, json_path
from analytics_assets.specs.airbyte.endpoints.request_parts import RequestConverter, RequestParts, sends_form_fields
from analytics_assets.specs.airbyte.incremental import Sync, read_sync
from analytics_assets.specs.airbyte.partitions import ParentLink, Routing, read_routing, stream_name
from analytics_assets.specs.airbyte.renderer import Renderer, Scope
from analytics_assets.specs.airbyte.settings import Settings
from analytics_assets.specs.airbyte.stream_index import StreamIndex
from analytics_assets.specs.airbyte.stream_table import ConvertedStream, Place, TableConverter
from analytics_assets.specs.airbyte.templates import NotExpressibleError, is_template
from analytics_assets.specs.airbyte.transformations import transform

FORMATS = {"JsonlDecoder": "jsonl", "CsvDecoder": "csv"}


class StreamConverter(TableConverter):
    """Converts one stream."""

    def __init__(self, stream: Mapping[str, Any], name: str, settings: Settings, index: StreamIndex) -> None:
        """Args: the stream, its name, and the settings and streams of the manifest."""
        super().__init__(stream, name)
        self._settings, self._index = settings, index
        retriever = stream.get("retriever")
        self._retriever: Mapping[str, Any] = retriever if isinstance(retriever, Mapping) else {}

    def convert(self) -> ConvertedStream:
        """The resource."""
        out, renderer = self.converted, Renderer(self._settings, Scope())
        self._check_types()
        self._report_fields()
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
        self._set_key(keys)
        self._set_filter(self._settings)
        self._set_columns(keys)
        for note in dict.fromkeys([*renderer.notes, *pagination.notes]):
            out.notes.append((("endpoint",), note))
        return out

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
            parent = self._index.resource_of(link.stream)
            parent_field = self._index.parent_fields(parent).get(tuple(map(str, link.slice_path)), link.field)
            scope.partitions[(link.partition_field,)] = f"{{resources.{parent}.{parent_field}}}"
            for extra in routing.extra_fields:
                scope.partitions[("extra_fields", extra)] = f"{{resources.{parent}.{extra}}}"
            for path, column in self._index.parent_fields(parent).items():
                scope.partitions.setdefault(("parent_slice", *path), f"{{resources.{parent}.{column}}}")
                scope.partitions.setdefault(path, f"{{resources.{parent}.{column}}}")
        for what, changes_rows in routing.lost:
            self._report(("endpoint",), what, changes_rows)
        for link in routing.parents:
            if not self._index.is_as_listed(link.stream):
                what = f"the parent {stream_name(link.stream)}, which differs from the stream of this name: it is read"
                self._report(("endpoint",), what, True)

    def _deepest(self, routing: Routing, scope: Scope) -> list[ParentLink]:
        """The parent whose own parents are the other parents: its rows have the values of all of them."""
        for link in routing.parents:
            columns = self._index.ancestors(self._index.resource_of(link.stream))
            others = [each for each in routing.parents if each is not link]
            keys = [(self._index.resource_of(each.stream), each.field) for each in others]
            columns |= {(self._index.resource_of(link.stream), each.field): each.field for each in others}
            if all(key in columns for key in keys):
                for each, key in zip(others, keys, strict=True):
                    placeholder = f"{{resources.{self._index.resource_of(link.stream)}.{columns[key]}}}"
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
            self._report(("endpoint", "incremental"), f"the incremental sync {what}", what != "IncrementingCountCursor")
        if sync is not None:
            renderer.scope.has_window, renderer.scope.time_format = True, sync.format
            renderer.scope.bounds = sync.bounds
            if sync.ends_at:
                what = f"the end of the history on {sync.ends_at}: later windows are loaded too"
                self._report(("endpoint", "incremental"), what, True)
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

        parts = RequestConverter(requester, renderer, report, renderer.notes.append).convert()
        try:
            self.converted.auth = convert_auth(requester.get("authenticator"), renderer)
        except NotExpressibleError as error:
            self._report(("endpoint", "auth"), str(error), True)
        options = [(place, name, renderer.scope.partitions[(each,)]) for each, place, name in routing.options
                   if (each,) in renderer.scope.partitions]  # fmt: skip
        if sync:
            bounds = {"start": "{start}", "end": "{end}"}
            options += [
                (place, name, bounds[bound])
                for bound, (place, name) in sync.options.items()
                if place != "request_parameter"
            ]
        for place, name, text in options:
            self._inject(parts, place, name, text)
            renderer.used.add(text.strip("{}") if text in ("{start}", "{end}") else text)
        return parts

    def _inject(self, parts: RequestParts, place: str, name: str, value: Any) -> None:
        if place == "request_parameter":
            parts.params[name] = value
        elif place == "header":
            parts.headers[name] = value
        elif place in ("body", "body_json", "body_data"):
            try:
                body = parts.body(place)
            except NotExpressibleError as error:
                self._report(("endpoint", "json"), str(error), True)
                return
            *outer, last = name.split(".")
            for key in outer:
                body = body.setdefault(key, {}) if isinstance(body, dict) else {}
            if isinstance(body, dict):
                body[last] = value
        else:
            self._report(("endpoint",), f"the value {name}, which is sent in {place}", True)

    def _pagination(self, renderer: Renderer, selector: str, parts: RequestParts) -> Pagination:
        token_place = parts.token_place or (("text", "") if renderer.scope.position in renderer.used else None)
        converter = PaginatorConverter(
            self._retriever.get("paginator"), renderer, selector=selector, token_param=token_place
        )
        try:
            pagination = converter.convert()
        except NotExpressibleError as error:
            self._report(("endpoint", "paginator"), str(error), True)
            return Pagination({"type": "single_page"})
        for what, changes_rows in pagination.lost:
            self._report(("endpoint", "paginator"), what, changes_rows)
        return pagination

    def _assemble(
        self, parts: RequestParts, pagination: Pagination, routing: Routing, selector: str, renderer: Renderer
    ) -> None:
        endpoint: dict[str, Any] = {"path": ""}
        parts.params |= {name: value for name, value in pagination.params.items() if name not in parts.params}
        parts.headers |= {name: value for name, value in pagination.headers.items() if name not in parts.headers}
        if parts.json is None and parts.data is None and sends_form_fields(self._retriever):
            parts.data = {}
        for name, value in pagination.json.items():
            self._inject(parts, "body", name, value)
        if size_param := self._literal_page_size(parts, pagination):
            del parts.params[size_param]
            pagination.paginator["limit_param"] = size_param
        auths = self.converted.auth if isinstance(self.converted.auth, list) else [self.converted.auth]
        if any(isinstance(each, dict) and each.get("location") == "body" for each in auths):
            with suppress(NotExpressibleError):  # the loader's own message says what is wrong
                parts.body("body")
        bodies = {key: body for key in ("json", "data") if (body := getattr(parts, key)) is not None}
        if parts.method != "GET" or bodies or any("_body_path" in key for key in pagination.paginator):
            endpoint["method"] = parts.method
        for key in ("params", "headers"):
            if fields := getattr(parts, key):
                endpoint[key] = fields
        endpoint |= bodies
        endpoint["data_selector"] = selector
        endpoint["paginator"] = pagination.paginator if len(pagination.paginator) > 1 else pagination.paginator["type"]
        self._set_decoder(endpoint)
        requester = self._retriever.get("requester")
        handler, lost = convert_error_handler(
            requester.get("error_handler") if isinstance(requester, Mapping) else None
        )
        for what, changes_rows in lost:
            self._report(("endpoint", "error_handler"), what, changes_rows)
        endpoint |= {"error_handler": handler} if handler else {}
        self._set_placeholders(endpoint, routing, renderer)
        self.converted.base, self.converted.url = parts.base, parts.url
        self.converted.resource["endpoint"] = endpoint

    @staticmethod
    def _literal_page_size(parts: RequestParts, pagination: Pagination) -> str | None:
        """The parameter that the page size of an offset paginator is sent in, if the connector writes it literally."""
        paginator = pagination.paginator
        if (
            paginator["type"] != "offset"
            or paginator.get("limit_param", "") is not None
            or "limit_body_path" in paginator
        ):
            return None
        names = [name for name, value in parts.params.items() if value == str(paginator["limit"])]
        return names[0] if len(names) == 1 else None

    def _set_placeholders(self, endpoint: dict[str, Any], routing: Routing, renderer: Renderer) -> None:
        for name, values in routing.for_each.items():
            if f"{{{name}}}" in renderer.used:
                endpoint.setdefault("for_each", {})[name] = values
            else:
                what = f"the list {name}, which does not change the requests: the endpoint is read once"
                self._report(("endpoint", "for_each"), what, False)
        if routing.parents and not any("{resources." in text for text in renderer.used):
            self._report(
                ("endpoint",), "the parent, which does not change the requests: the endpoint is read once", False
            )
        if values := {name: value for name, value in renderer.values.items() if name not in routing.for_each}:
            endpoint["values"] = values

    def _set_decoder(self, endpoint: dict[str, Any]) -> None:
        decoder = self._retriever.get("decoder")
        while isinstance(decoder, Mapping) and decoder.get("type") in ("GzipDecoder", "CompositeRawDecoder"):
            decoder = decoder.get("decoder") or decoder.get("parser")
        kind = decoder.get("type") if isinstance(decoder, Mapping) else "JsonDecoder"
        if isinstance(kind, str) and kind in FORMATS:
            endpoint["format"] = FORMATS[kind]
            if endpoint["data_selector"] != "$":
                self._report(("endpoint", "data_selector"), f"the path of the records in {FORMATS[kind]}", True)
                endpoint["data_selector"] = "$"
        elif kind not in ("JsonDecoder", "JsonParser", None):
            what = decoder.get("class_name") or kind if isinstance(decoder, Mapping) else kind
            self._report(("endpoint", "format"), f"the decoder {what}", True)
