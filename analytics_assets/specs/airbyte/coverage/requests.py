"""Fields of requests, authentication, paginators and error handlers."""

from __future__ import annotations

from analytics_assets.specs.airbyte.coverage.field import Fields, carried, harmless, lost

TOKEN_STATE = harmless("tokens are requested and stored by this project")
TIMEOUT = harmless("requests have the timeouts of this project")
BACKOFF_LIMIT = harmless("waiting times have the limits of this project")

REQUESTS: dict[str, Fields] = {
    "HttpRequester": {
        "url_base": carried("a text"),
        "url": carried("a text"),
        "path": carried("a text"),
        "http_method": carried("a text"),
        "authenticator": carried("a component"),
        "request_parameters": carried("a mapping|a text"),
        "request_headers": carried("a mapping|a text"),
        "request_body_json": carried(),
        "request_body_data": carried(),
        "request_body": carried("a component"),
        "error_handler": carried("a component"),
        "fetch_properties_from_endpoint": carried("a component"),
        "query_properties": carried("a component"),
        "use_cache": harmless("parents are read from their table"),
        "connect_timeout_in_seconds": TIMEOUT,
        "read_timeout_in_seconds": TIMEOUT,
        "use_tcp_keepalive": TIMEOUT,
    },
    "RequestOption": {
        "inject_into": carried("a text", required=True),
        "field_name": carried("a text"),
        "field_path": carried("a list of texts"),
    },
    "RequestPath": {},
    "NoAuth": {},
    "BearerAuthenticator": {"api_token": carried("a text", required=True)},
    "ApiKeyAuthenticator": {
        "api_token": carried("a text", required=True),
        "header": carried("a text"),
        "inject_into": carried("a component"),
    },
    "BasicHttpAuthenticator": {"username": carried("a text", required=True), "password": carried("a text")},
    "SelectiveAuthenticator": {
        "authenticators": carried("a mapping", required=True),
        "authenticator_selection_path": harmless("the first alternative whose variables are set is used"),
    },
    "OAuthAuthenticator": {
        "token_refresh_endpoint": carried("a text", required=True),
        "client_id": carried("a text"),
        "client_secret": carried("a text"),
        "refresh_token": carried("a text"),
        "grant_type": carried("a text"),
        "refresh_request_body": carried("a mapping"),
        "refresh_request_headers": carried("a mapping"),
        "scopes": carried("a list of texts"),
        "access_token_name": carried("a text"),
        "client_id_name": carried("a text"),
        "client_secret_name": carried("a text"),
        "refresh_token_name": carried("a text"),
        "grant_type_name": carried("a text"),
        "profile_assertion": carried("a component"),
        "use_profile_assertion": lost("the signed assertion of the request for a token"),
        "send_refresh_request_as_query_params": lost("the parameters of the request for a token: its body has them"),
        "expires_in_name": lost(
            "the name of the lifetime in the response with the token: `expires_in` is read", changes_rows=False
        ),
        "refresh_token_updater": TOKEN_STATE,
        "access_token_value": TOKEN_STATE,
        "token_expiry_date": TOKEN_STATE,
        "token_expiry_date_format": TOKEN_STATE,
        "refresh_token_error_status_codes": TOKEN_STATE,
        "refresh_token_error_key": TOKEN_STATE,
        "refresh_token_error_values": TOKEN_STATE,
    },
    "SessionTokenAuthenticator": {
        "login_requester": carried("a component", required=True),
        "session_token_path": carried("a list of texts", required=True),
        "request_authentication": carried("a component", required=True),
        "expiration_duration": carried("a text"),
        "decoder": harmless("the response with the token is read as JSON, or the login fails"),
    },
    "ApiKey": {
        "inject_into": carried("a component", required=True),
        "api_token": lost("the text around the session token"),
    },
    "Bearer": {},
    "NoPagination": {},
    "DefaultPaginator": {
        "pagination_strategy": carried("a component", required=True),
        "page_size_option": carried("a component"),
        "page_token_option": carried("a component"),
        "decoder": harmless("responses of one stream have one format"),
        "url_base": harmless("the connector does not read it"),
    },
    "OffsetIncrement": {
        "page_size": carried("a number"),
        "inject_on_first_request": carried("true or false"),
    },
    "PageIncrement": {
        "page_size": carried("a number"),
        "start_from_page": carried("a number"),
        "inject_on_first_request": carried("true or false"),
    },
    "CursorPagination": {
        "cursor_value": carried("a text", required=True),
        "stop_condition": carried("a text"),
        "page_size": carried("a number"),
        "decoder": harmless("responses of one stream have one format"),
    },
    "CompositeErrorHandler": {"error_handlers": carried("a list of components", required=True)},
    "DefaultErrorHandler": {
        "response_filters": carried("a list of components"),
        "backoff_strategies": carried("a list of components"),
        "max_retries": carried("a number"),
    },
    "HttpResponseFilter": {
        "action": carried("a text"),
        "http_codes": carried("a list"),
        "error_message_contains": carried("a text"),
        "predicate": carried("a text"),
        "error_message": carried("a text"),
        "failure_type": harmless("a failure is a failure"),
    },
    "ConstantBackoffStrategy": {
        "backoff_time_in_seconds": carried("a number", required=True),
        "jitter_range_in_seconds": BACKOFF_LIMIT,
    },
    "ExponentialBackoffStrategy": {"factor": carried("a number"), "jitter_range_in_seconds": BACKOFF_LIMIT},
    "WaitTimeFromHeader": {
        "header": carried("a text", required=True),
        "regex": lost("the part of a header that is the waiting time", changes_rows=False),
        "max_waiting_time_in_seconds": BACKOFF_LIMIT,
    },
    "WaitUntilTimeFromHeader": {
        "header": carried("a text", required=True),
        "regex": lost("the part of a header that is the waiting time", changes_rows=False),
        "min_wait": BACKOFF_LIMIT,
        "max_waiting_time_in_seconds": BACKOFF_LIMIT,
    },
}
