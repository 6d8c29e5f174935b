"""What a load reads with: the HTTP client of its API, and the reader of its endpoint."""

from __future__ import annotations

from dataclasses import replace
from urllib.parse import urlsplit

from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.arrow.window_filter import WindowCheck
from analytics_assets.rest_api.auth.authenticator import build_authenticator
from analytics_assets.rest_api.auth.credentials import ResolvedClient, StaticCredentials, resolve_secrets
from analytics_assets.rest_api.auth.secret_reader import SecretReader
from analytics_assets.rest_api.auth.token_store import build_token_store
from analytics_assets.rest_api.config import LoadTime, SecretRef
from analytics_assets.rest_api.destination.parents.bindings import LoadBindings
from analytics_assets.rest_api.extract.children.bindings import Binding
from analytics_assets.rest_api.extract.children.parallel_reads import ParallelReads
from analytics_assets.rest_api.extract.formats.body import BodyReader, with_accept
from analytics_assets.rest_api.extract.masking import Masking, build_masking, skippable_fields
from analytics_assets.rest_api.extract.reader import EndpointReader
from analytics_assets.rest_api.extract.request_template import RequestTemplate
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.load.children import for_each_values
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.state.file_slots import FileSlots
from analytics_assets.rest_api.state.postgres_slots import PostgresSlots
from analytics_assets.rest_api.state.slots import ReservedSlots, SlotStore
from analytics_assets.rest_api.state.store import StateStore, choose_state_store
from analytics_assets.rest_api.windows import load_time_value

RATE_LIMIT = "the rate limit over all runs"


def resolve_request(request: LoadRequest) -> tuple[ResolvedClient, Masking | None]:
    """The values that the request's client needs, and what masks fields of its records.

    Raises:
        CredentialsError: A value is unset or malformed.
    """
    endpoint = request.resource.endpoint
    resolved = resolve_secrets(
        request.client,
        endpoint.headers,
        endpoint_values={n: value for n, value in endpoint.values.items() if isinstance(value, str | SecretRef)},
        endpoint_auth=endpoint.auth,
        api=request.api,
        environ=request.environ,
    )
    times = {
        name: load_time_value(request.now, value)
        for name, value in endpoint.values.items()
        if isinstance(value, LoadTime)
    }
    lists = {name: value for name, value in endpoint.values.items() if isinstance(value, tuple)}
    listed = for_each_values(lists, SecretReader(request.environ), place="endpoint.values")
    resolved = replace(resolved, endpoint_values={**resolved.endpoint_values, **times, **listed})
    masking = build_masking(request.resource, request.environ)
    if masking:
        resolved = replace(resolved, secret_values=resolved.secret_values | masking.secret_values)
    return resolved, masking


def build_reader(
    request: LoadRequest,
    client: HttpClient,
    resolved: ResolvedClient,
    schema: TableSchema,
    bindings: LoadBindings | None = None,
    masking: Masking | None = None,
) -> EndpointReader | ParallelReads:
    """The reader of the request's endpoint; it decodes records by the schema."""
    resource, window, cursor = request.resource, request.read_window, Cursor.of(request.resource)
    headers = with_accept(resource.endpoint.format, resolved.endpoint_headers, resolved.headers)
    url = client.url(resource.endpoint.path)
    template = RequestTemplate(resource.endpoint, url=url, headers=headers, values=resolved.endpoint_values)
    honoured = WindowCheck(schema, cursor, window) if cursor and window and request.use_slices else None
    read_body = BodyReader.of(resource, max_bytes=request.client.max_page_bytes)
    if masking and skippable_fields(resource):
        masking.read_structs = schema.read_structs
    logged = set[str]()

    def read(threads: int, binding: Binding | None = None) -> EndpointReader:
        return EndpointReader(
            resource.endpoint,
            client,
            headers,
            window=window,
            bindings=binding.values if binding else {},
            template=template,
            threads=threads,
            has_primary_key=bool(resource.primary_key) and resource.write_disposition != "append",
            window_is_honoured=honoured,
            read=schema.read,
            masking=masking,
            read_body=read_body,
            name=request.name,
            log=request.log,
            logged=logged,
        )

    threads = request.client.max_concurrency
    if bindings is None:
        return read(threads)
    return ParallelReads(
        bindings,
        bindings.count,
        bindings.reads_per_parent,
        read,
        threads,
        unit="parent" if bindings.parent else "value",
        window=window,
        masking=masking,
        name=request.name,
        log=request.log,
    )


def build_client(
    request: LoadRequest,
    resolved: ResolvedClient,
    client_class: type[HttpClient] = HttpClient,
) -> HttpClient:
    """The HTTP client of the API. It signs requests if the API needs credentials.

    Args:
        request: The load.
        resolved: The values of the client's configuration.
        client_class: The class of the client.

    Raises:
        ConfigError: The base URL is not a URL, or would send credentials unencrypted.
        CredentialsError: The setting of the token store is wrong.
    """
    config, state = request.client, _shared_state(request, resolved)
    client = client_class(
        resolved.base_url,
        headers=resolved.headers,
        secret_values=resolved.secret_values,
        error_handler=request.resource.endpoint.error_handler,
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        max_requests_per_second=config.max_requests_per_second,
        slots=_shared_slots(request, resolved.base_url, state),
        max_page_bytes=config.max_page_bytes,
        allow_insecure_http=config.allow_insecure_http,
        log=request.log,
        log_prefix=f"{request.name}: ",
    )
    if resolved.credentials is not None:
        client.auth = build_authenticator(
            resolved.credentials,
            store=build_token_store(state) if state else None,
            send=client.send_token_request,
        )
    return client


def shared_state_text(request: LoadRequest, resolved: ResolvedClient) -> str:
    """The line of the log that names the place of tokens and of the rate limit; empty if the load shares neither.

    Raises:
        CredentialsError: The setting of the token store is wrong.
    """
    contents, state = _shared_contents(request, resolved), _shared_state(request, resolved)
    if state is None or request.token_dir:
        return ""
    verb = "is" if contents == [RATE_LIMIT] else "are"
    return f"{' and '.join(contents)} {verb} stored in {state.place}"


def _shared_contents(request: LoadRequest, resolved: ResolvedClient) -> list[str]:
    """What the load shares with other runs of the API."""
    has_tokens = resolved.credentials is not None and not isinstance(resolved.credentials, StaticCredentials)
    return ["tokens"] * has_tokens + [RATE_LIMIT] * (request.client.max_requests_per_second is not None)


def _shared_state(request: LoadRequest, resolved: ResolvedClient) -> StateStore | None:
    """Where tokens and the rate limit are stored; None if the load shares neither."""
    if not _shared_contents(request, resolved):
        return None
    folder = request.token_dir or request.warehouse.state_dir
    return choose_state_store(request.environ, folder, destination=request.warehouse.destination)


def _shared_slots(request: LoadRequest, base_url: str, state: StateStore | None) -> ReservedSlots | None:
    """The slots of the rate limit that all runs of the API at this host share; None without a limit."""
    limit = request.client.max_requests_per_second
    if limit is None or state is None:
        return None
    name = f"{request.api} {urlsplit(base_url).netloc.rpartition('@')[2]}"
    store: SlotStore
    if state.connection_string is None:
        store = FileSlots(state.folder, name)
    else:
        store = PostgresSlots(state.connection_string, name, variable=state.variable, log=request.log)
    return ReservedSlots(store, limit)
