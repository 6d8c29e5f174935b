"""What a load reads with: the HTTP client of its API, and the reader of its endpoint."""

from __future__ import annotations

from dataclasses import replace

from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.arrow.window_filter import WindowCheck
from analytics_assets.rest_api.auth.authenticator import build_authenticator
from analytics_assets.rest_api.auth.credentials import ResolvedClient, resolve_secrets
from analytics_assets.rest_api.auth.token_store import build_token_store
from analytics_assets.rest_api.destination.parents.bindings import LoadBindings
from analytics_assets.rest_api.extract.children.bindings import Binding
from analytics_assets.rest_api.extract.children.parallel_reads import ParallelReads
from analytics_assets.rest_api.extract.formats.body import BodyReader, with_accept
from analytics_assets.rest_api.extract.masking import Masking, build_masking, skippable_fields
from analytics_assets.rest_api.extract.reader import EndpointReader
from analytics_assets.rest_api.extract.request_template import RequestTemplate
from analytics_assets.rest_api.http.client import HttpClient
from analytics_assets.rest_api.load.request import LoadRequest


def resolve_request(request: LoadRequest) -> tuple[ResolvedClient, Masking | None]:
    """The values that the request's client needs, and what masks fields of its records.

    Raises:
        CredentialsError: A value is unset or malformed.
    """
    endpoint = request.resource.endpoint
    resolved = resolve_secrets(
        request.client, endpoint.headers, endpoint_auth=endpoint.auth, api=request.api, environ=request.environ
    )
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
    template = RequestTemplate(resource.endpoint, url=client.url(resource.endpoint.path), headers=headers)
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

    Raises:
        ConfigError: The base URL is not a URL, or would send credentials unencrypted.
        CredentialsError: The setting of the token store is wrong.
    """
    config = request.client
    client = client_class(
        resolved.base_url,
        headers=resolved.headers,
        secret_values=resolved.secret_values,
        error_handler=request.resource.endpoint.error_handler,
        connect_timeout=config.connect_timeout,
        read_timeout=config.read_timeout,
        max_requests_per_second=config.max_requests_per_second,
        max_page_bytes=config.max_page_bytes,
        allow_insecure_http=config.allow_insecure_http,
        log=request.log,
        log_prefix=f"{request.name}: ",
    )
    if resolved.credentials is not None:
        client.auth = build_authenticator(
            resolved.credentials,
            store=build_token_store(request.environ, request.token_dir or request.warehouse.state_dir),
            send=client.send_token_request,
        )
    return client
