"""Messages about wrong configurations: file, line, key, and what is allowed."""

# ruff: noqa: E501  (a case is a line)
from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import pytest

from analytics_assets.rest_api.config import load_config
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets_tests.support.config_samples import (
    AUTH,
    BASE,
    CLIENT,
    INCREMENTAL,
    NAME,
    PAGINATOR,
    PARTITIONS,
    PATH,
    edited,
    write,
)

OAUTH2 = "auth: {type: oauth2, client_id: me, client_secret: {env: S}, token_url: {env: U}"
SECRET = "hunter2"  # in wrong configurations; no message may repeat it


def problems(file: Path) -> list[str]:
    """The lines of the error, without the file's name."""
    with pytest.raises(ConfigError) as caught:
        load_config(file)
    lines = str(caught.value).splitlines()
    assert all(line.startswith(str(file)) for line in lines)
    assert SECRET not in str(caught.value)
    return [line.removeprefix(str(file)).lstrip(":") for line in lines]


USERS = "attributes.resources[0]"


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """A wrong configuration and its error.

    Attributes:
        old: A part of the small configuration.
        new: Its replacement.
        expected: The line of the error, without the file.
    """

    old: str
    new: str
    expected: str


WRONG = [
    # Keys
    Mistake(old=PAGINATOR, new="paginator: {type: offset, limitt: 100, limit: 1}", expected="8 attributes.resource_defaults.endpoint.paginator.limitt: unknown key; did you mean 'limit'? allowed: has_more_path, limit, limit_body_path, limit_param, maximum_offset, offset, offset_body_path, offset_param, stop_after_empty_page, total_path, total_rows_header, total_rows_path, type"),
    Mistake(old="  partitions:", new="  partition:", expected="13 attributes.partition: unknown key; did you mean 'partitions'? allowed: checks, client, docs_url, partitions, resource_defaults, resources, sandbox, schedule"),
    Mistake(old=NAME, new=f"{NAME}\n      qqq: 1", expected=f"11 {USERS}.qqq: unknown key; allowed: checks, columns, description, docs_url, endpoint, exclude, hash, include_from_parent, name, null_key, owners, preview, primary_key, replace_by, schema, schema_contract, tags, write_disposition"),
    Mistake(old=CLIENT, new="max_concurrency: 2", expected="3 attributes.client.base_url: is required"),
    Mistake(old=NAME, new="description: x", expected=f"10 {USERS}.name: is required"),
    Mistake(old="attributes:", new="atributes: {}\nattributes:", expected="2 atributes: unknown key; did you mean 'attributes'? allowed: type, attributes, requirements"),
    Mistake(old="components.RestApi", new="components.RestAp", expected="1 type: must be analytics_assets.components.RestApi"),
    Mistake(old="type: analytics_assets.components.RestApi", new="type:", expected="1 type: must be analytics_assets.components.RestApi"),
    Mistake(old="type: analytics_assets.components.RestApi\n", new="", expected="1 type: must be analytics_assets.components.RestApi"),
    Mistake(old="attributes:\n", new="requirements: 5\nattributes:\n", expected="2 requirements: must be {env: [NAME, ...]}, or left out"),
    Mistake(old="attributes:\n", new="requirements: {env: A}\nattributes:\n", expected="2 requirements: must be {env: [NAME, ...]}, or left out"),
    Mistake(old="attributes:\n", new="requirements: {env: [1]}\nattributes:\n", expected="2 requirements: must be {env: [NAME, ...]}, or left out"),
    Mistake(old="attributes:\n", new="requirements: {x: []}\nattributes:\n", expected="2 requirements: must be {env: [NAME, ...]}, or left out"),
    # dlt's keys that are not supported
    Mistake(old=NAME, new=f"{NAME}\n      processing_steps: []", expected=f"11 {USERS}.processing_steps: dlt's key is not supported: records are loaded unchanged; transform them in a downstream asset"),
    Mistake(old=PAGINATOR, new="paginator: auto", expected="8 attributes.resource_defaults.endpoint.paginator.type: dlt's 'auto' is not supported: a wrongly detected paginator loses rows; name the API's paginator"),
    Mistake(old=PAGINATOR, new="paginator: {type: page_number, stop_after_empty_page: false}", expected="8 attributes.resource_defaults.endpoint.paginator.stop_after_empty_page: must be True"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s, initial_value: x}", expected=f"13 {USERS}.endpoint.incremental.initial_value: dlt's key is not supported: history begins at `partitions.start`"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{since: {{type: incremental, cursor_path: at}}}}", expected=f"13 {USERS}.endpoint.params.since: dlt's incremental parameter is not supported: write `start_param` in endpoint.incremental"),
    Mistake(old=PATH, new="path: /v1/{resources.posts.id}/x", expected=f"12 {USERS}.endpoint.path: there is no resource 'posts' in this file"),
    Mistake(old=PATH, new=f"{PATH}\n        method: DELETE", expected=f"13 {USERS}.endpoint.method: must be 'GET', 'POST' or 'PUT'"),
    Mistake(old=PATH, new=f"{PATH}\n        ignore_hints: [count, ' ']", expected=f"13 {USERS}.endpoint.ignore_hints[1]: must be a path in the response such as meta.count, or the name of a header"),
    # Types and values
    Mistake(old=CLIENT, new="base_url: 5", expected="4 attributes.client.base_url: must be text (in quotes, if it looks like a number) or {env: NAME}"),
    Mistake(old=CLIENT, new="base_url: ftp://x", expected="4 attributes.client.base_url: must be a URL such as https://api.example.com/v1, or {env: NAME}"),
    Mistake(old=CLIENT, new="base_url: '{{ env.URL }}'", expected="4 attributes.client.base_url: must be a URL such as https://api.example.com/v1, or {env: NAME}"),
    Mistake(old=CLIENT, new=f"{CLIENT}\n    max_concurrency: true", expected="5 attributes.client.max_concurrency: must be a valid integer"),
    Mistake(old=CLIENT, new=f"{CLIENT}\n    read_timeout: .inf", expected="5 attributes.client.read_timeout: must be a finite number"),
    Mistake(old=CLIENT, new=f"{CLIENT}\n    headers: {{'a b': x}}", expected='5 attributes.client.headers["a b"]: must be the name of an HTTP header'),
    Mistake(old=CLIENT, new=f"{CLIENT}\n    headers: {{X-A: \"a\\nb\"}}", expected="5 attributes.client.headers.X-A: must be plain ASCII text"),
    Mistake(old=f"\n    - {NAME}\n      endpoint:\n        {PATH}", new=" []", expected="9 attributes.resources: must have at least one resource"),
    Mistake(old="resources:\n    - name", new="resources:\n    - 5\n    - name", expected="10 attributes.resources[0]: must be a mapping with some of the keys checks, columns, description, docs_url, endpoint, exclude, hash, include_from_parent, name, null_key, owners, preview, primary_key, replace_by, schema, schema_contract, tags, write_disposition"),
    Mistake(old=NAME, new=f"{NAME}\n      write_disposition: merg", expected=f"11 {USERS}.write_disposition: must be 'merge', 'replace' or 'append'; did you mean 'merge'?"),
    Mistake(old=NAME, new=f"{NAME}\n      primary_key: [id, 5]", expected=f"11 {USERS}.primary_key[1]: must be text"),
    Mistake(old=NAME, new=f"{NAME}\n      primary_key: {{}}", expected=f"11 {USERS}.primary_key: must be text"),
    Mistake(old=NAME, new=f"{NAME}\n      owners: someone", expected=f"11 {USERS}.owners: must be an e-mail address, or team:name"),
    Mistake(old=NAME, new=f"{NAME}\n      tags: {{a b: c}}", expected=f'11 {USERS}.tags["a b"]: must be a tag of letters, digits, _, - and ., at most 63 on each side, its value as text'),
    Mistake(old=PATH, new="path: https://other.example.com/x", expected=f"12 {USERS}.endpoint.path: must be a path below `base_url`, such as /v1/users, with special characters percent-encoded"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{a: []}}", expected=f"13 {USERS}.endpoint.params.a: must be a text, number or boolean, or a list of these: the parameter is repeated for each"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{a: [[1]]}}", expected=f"13 {USERS}.endpoint.params.a: must be a text, number or boolean, or a list of these: the parameter is repeated for each"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{a: [b, null]}}", expected=f"13 {USERS}.endpoint.params.a: must be a text, number or boolean, or a list of these: the parameter is repeated for each"),
    Mistake(old=PATH, new=f"{PATH}\n        data_selector: data[?(@.x)]", expected=f"13 {USERS}.endpoint.data_selector: must be a JSONPath of names, indexes and wildcards: data, data.items, items[*].data, or $ for a bare list"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{retry_on_status_codes: [200]}}", expected=f"13 {USERS}.endpoint.error_handler.retry_on_status_codes[0]: must be greater than or equal to 400"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{status_code: 404, action: ignor}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0].action: must be 'ignore', 'retry' or 'fail'; did you mean 'ignore'?"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{status_code: 404}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0].action: is required"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{status: 404, action: ignore}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0].status: unknown key; did you mean 'status_code'? allowed: action, content, message, status_code"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{status_code: '404', action: ignore}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0].status_code: must be a valid integer"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{status_code: 40, action: ignore}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0].status_code: must be greater than or equal to 200"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{action: ignore}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0]: must have `status_code`, `content` or both: otherwise it matches every response"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{status_code: 200, action: retry}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0].status_code: 200 needs `content`: otherwise it matches every page"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{content: '', action: fail}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0].content: must be text that is not blank"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: [{{status_code: 404, action: ignore, message: x}}]}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions[0].message: is for `action: fail` only"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{response_actions: {{status_code: 404, action: ignore}}}}", expected=f"13 {USERS}.endpoint.error_handler.response_actions: must be a list"),
    Mistake(old=PATH, new=f"{PATH}\n        response_actions: [{{status_code: 404, action: skip}}]", expected=f"13 {USERS}.endpoint.response_actions[0].action: must be 'ignore', 'retry' or 'fail'"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{backoff: {{wait_header: X-Reset}}}}", expected=f"13 {USERS}.endpoint.error_handler.backoff.format: is required"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{backoff: {{wait_header: X-Reset, format: epoch}}}}", expected=f"13 {USERS}.endpoint.error_handler.backoff.format: must be 'seconds', 'epoch_s' or 'iso8601'; did you mean 'epoch_s'?"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{backoff: {{wait_header: 'a b', format: seconds}}}}", expected=f"13 {USERS}.endpoint.error_handler.backoff.wait_header: must be the name of an HTTP header"),
    Mistake(old=PATH, new=f"{PATH}\n        error_handler: {{respect_rate_limit_headers: 1}}", expected=f"13 {USERS}.endpoint.error_handler.respect_rate_limit_headers: must be a valid boolean"),
    Mistake(old=PAGINATOR, new="paginator: {type: ofset, limit: 1}", expected="8 attributes.resource_defaults.endpoint.paginator.type: must be one of offset, page_number, cursor, json_link, json_response, header_link, header_cursor, single_page; did you mean 'offset'?"),
    Mistake(old=PAGINATOR, new="paginator: {limit: 1}", expected="8 attributes.resource_defaults.endpoint.paginator: must be a mapping whose `type` is one of offset, page_number, cursor, json_link, json_response, header_link, header_cursor, single_page"),
    Mistake(old=PAGINATOR, new="paginator: {type: offset, limit: 0}", expected="8 attributes.resource_defaults.endpoint.paginator.limit: must be greater than 0"),
    Mistake(old=PAGINATOR, new="paginator: {type: cursor, cursor_param: a, cursor_path: 'items[*].x'}", expected="8 attributes.resource_defaults.endpoint.paginator.cursor_path: must be a JSONPath to one value, such as next, meta.next or data[-1].id"),
    Mistake(old=PAGINATOR, new="paginator: {type: cursor, cursor_param: a, cursor_path: b, stop_condition: more == false}", expected="8 attributes.resource_defaults.endpoint.paginator.stop_condition: must be `<path> is false`, `is true`, `is null` or `is empty`, for example: hasNext is false"),
    Mistake(old=PAGINATOR, new="paginator: {type: cursor, cursor_param: a, cursor_path: b, stop_condition: c is null, has_more_path: c}", expected="8 attributes.resource_defaults.endpoint.paginator: has both `stop_condition` and `has_more_path`: remove one of the two"),
    Mistake(old=PAGINATOR, new="paginator: {type: page_number, base_page: -1}", expected="8 attributes.resource_defaults.endpoint.paginator.base_page: must be greater than or equal to 0"),
    Mistake(old=PAGINATOR, new="paginator: {type: page_number, base_page: 1, start_from_page: 1}", expected="8 attributes.resource_defaults.endpoint.paginator.start_from_page: has the same meaning as 'base_page': remove one of the two"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s, format: epoch}", expected=f"13 {USERS}.endpoint.incremental.format: must be one of iso8601, epoch_s, epoch_ms, date, or a strftime pattern such as '%Y-%m-%d %H:%M'; did you mean 'epoch_s'?"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s, format: '%H:%M'}", expected=f"13 {USERS}.endpoint.incremental.format: must be one of iso8601, epoch_s, epoch_ms, date, or a strftime pattern such as '%Y-%m-%d %H:%M'"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s, lookback: 2}", expected=f"13 {USERS}.endpoint.incremental.lookback: must be a duration such as '2 days', '6:00:00' or P2D"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s, lookback: -P1D}", expected=f"13 {USERS}.endpoint.incremental.lookback: must be from zero to ten years"),
    Mistake(old=PARTITIONS, new="partitions: {cadence: daily, start: 1}", expected="13 attributes.partitions.start: must be a date such as 2026-10-01, or a time such as 2026-10-01T06:00"),
    Mistake(old=PARTITIONS, new="partitions: {cadence: daily, start: 0001-01-01}", expected="13 attributes.partitions.start: must be between 1970 and 2100"),
    Mistake(old=PARTITIONS, new="partitions: {cadence: daily, start: '2026-10-01T00:00:00+02:00'}", expected="13 attributes.partitions.start: must be without offset: the time is in `timezone`"),
    Mistake(old=PARTITIONS, new="partitions: {cadence: daily, start: 2026-10-01, chunk: 0}", expected="13 attributes.partitions.chunk: must be greater than or equal to 1"),
    Mistake(old=PARTITIONS, new="partitions: {cadence: daily, start: 2026-10-01, timezone: Europe/Berln}", expected="13 attributes.partitions.timezone: must be a time zone such as Europe/Berlin; did you mean 'Europe/Berlin'?"),
    Mistake(old=PARTITIONS, new="checks: {complet: off}", expected="13 attributes.checks.complet: unknown key; did you mean 'complete'? allowed: api_honours_the_window, columns_are_known, columns_keep_their_types, complete, holds_real_data, key_is_unique_and_present, rows_as_usual, rows_gone_from_api"),
    Mistake(old=PARTITIONS, new="checks: {complete: true}", expected="13 attributes.checks.complete: must be one of warn, error, off"),
    Mistake(old=NAME, new=f"{NAME}\n      checks: {{rows_as_usual: warning}}", expected=f"11 {USERS}.checks.rows_as_usual: must be one of warn, error, off"),
    Mistake(old=NAME, new=f"{NAME}\n      checks: off", expected=f"11 {USERS}.checks: must be a mapping with some of the keys api_honours_the_window, columns_are_known, columns_keep_their_types, complete, holds_real_data, key_is_unique_and_present, rows_as_usual, rows_gone_from_api"),
    Mistake(old=PARTITIONS, new="schedule: {freshness: 27}", expected="13 attributes.schedule.freshness: must be false, or a duration of at least a minute, such as PT27H or '2 days'"),
    Mistake(old=PARTITIONS, new="schedule: {freshness: true}", expected="13 attributes.schedule.freshness: must be false, or a duration of at least a minute, such as PT27H or '2 days'"),
    Mistake(old=PARTITIONS, new="schedule: {freshness: PT5S}", expected="13 attributes.schedule.freshness: must be false, or a duration of at least a minute, such as PT27H or '2 days'"),
    Mistake(old=PARTITIONS, new="schedule: {hour: 24}", expected="13 attributes.schedule.hour: must be less than or equal to 23"),
    # Columns
    Mistake(old=NAME, new=f"{NAME}\n      columns: {{createdAt: {{type: integer, fromat: epoch_ms}}}}", expected=f"11 {USERS}.columns.createdAt.fromat: unknown key; did you mean 'format'? allowed: data_type, description, format, nullable, precision, scale, type"),
    Mistake(old=NAME, new=f"{NAME}\n      columns: {{a: {{type: strng}}}}", expected=f"11 {USERS}.columns.a.type: must be 'null', 'boolean', 'integer', 'number', 'string', 'object' or 'array'; did you mean 'string'?"),
    Mistake(old=NAME, new=f"{NAME}\n      columns: {{a: {{type: [string, integer]}}}}", expected=f"11 {USERS}.columns.a.type: must name one type besides null"),
    Mistake(old=NAME, new=f"{NAME}\n      columns: {{a: {{type: boolean, format: date}}}}", expected=f"11 {USERS}.columns.a.format: is for texts and numbers that are times, or for data_type timestamp"),
    Mistake(old=NAME, new=f"{NAME}\n      columns: {{a: {{data_type: text, precision: 5}}}}", expected=f"11 {USERS}.columns.a.precision: is for data_type decimal"),
    Mistake(old=NAME, new=f"{NAME}\n      columns: {{a: {{nullable: true}}}}", expected=f"11 {USERS}.columns.a: needs `type` (JSON Schema's) or `data_type` (dlt's), not both"),
    Mistake(old=NAME, new=f"{NAME}\n      columns:\n        createdAt: {{type: integer}}\n        created_at: {{type: integer}}", expected=f"13 {USERS}.columns.created_at: is the column 'created_at', as 'createdAt' is: remove one of the two"),
    Mistake(old=NAME, new=f"{NAME}\n      columns:\n        - {{name: a, data_type: text}}\n        - {{name: A, data_type: text}}", expected=f"13 {USERS}.columns[1].name: is the column 'a', as 'a' is: remove one of the two"),
    Mistake(old=NAME, new=f"{NAME}\n      columns: {{_dlt_id: {{data_type: text}}}}", expected=f"11 {USERS}.columns._dlt_id: starts with _dlt, which is reserved for dlt"),
    Mistake(old=NAME, new=f"{NAME}\n      schema_contract: freez", expected=f"11 {USERS}.schema_contract.data_type: must be 'evolve', 'freeze' or 'discard_value'; did you mean 'freeze'?"),
    Mistake(old=NAME, new=f"{NAME}\n      schema_contract: {{columns: freeze}}", expected=f"11 {USERS}.schema_contract.columns: must be 'evolve'"),
    Mistake(old=NAME, new=f"{NAME}\n      schema: {{properties: {{a: {{type: string, fromat: date}}}}}}", expected=f"11 {USERS}.schema.properties.a.fromat: unknown key; did you mean 'format'? allowed: description, format, type"),
    Mistake(old=NAME, new=f"{NAME}\n      schema: {{type: array, properties: {{a: {{type: string}}}}}}", expected=f"11 {USERS}.schema.type: must be 'object'"),
    Mistake(old=NAME, new=f"{NAME}\n      schema: {{properties: {{a: {{type: string}}}}}}\n      columns: {{b: {{type: string}}}}", expected=f"11 {USERS}.schema: has the same meaning as `columns`: remove one of the two"),
    # Names
    Mistake(old=NAME, new="name: cashDrawers", expected=f"10 {USERS}.name: must be lower-case snake_case of at most 60 characters, such as bank_accounts"),
    Mistake(old=NAME, new="name: cash__drawers", expected=f"10 {USERS}.name: must be lower-case snake_case of at most 60 characters, such as bank_accounts"),
    Mistake(old=NAME, new="name: users\n    - name: users", expected="11 attributes.resources[1].name: is already the name of resources[0]"),
    # Authentication
    Mistake(old=AUTH, new='auth: {type: login, token_path: t}', expected='5 attributes.client.auth.request: is required'),
    Mistake(old=AUTH, new='auth: {type: login, request: /login}', expected='5 attributes.client.auth.token_path: is required'),
    Mistake(old=AUTH, new='auth: {type: login, request: {json: {a: b}}, token_path: t}', expected='5 attributes.client.auth.request: needs `path` (below `base_url`) or `url`, not both'),
    Mistake(old=AUTH, new='auth: {type: login, request: {path: /login, url: https://a.b/c}, token_path: t}', expected='5 attributes.client.auth.request: needs `path` (below `base_url`) or `url`, not both'),
    Mistake(old=AUTH, new='auth: {type: login, request: {path: https://a.b/c}, token_path: t}', expected='5 attributes.client.auth.request.path: must be a path below `base_url`, such as /auth/login'),
    Mistake(old=AUTH, new='auth: {type: login, request: {method: DELETE, path: /login}, token_path: t}', expected="5 attributes.client.auth.request.method: must be 'POST', 'GET' or 'PUT'"),
    Mistake(old=AUTH, new='auth: {type: login, request: {method: GET, path: /login, json: {a: b}}, token_path: t}', expected='5 attributes.client.auth.request.method: must be POST or PUT, since the request has a body'),
    Mistake(old=AUTH, new='auth: {type: login, request: {path: /login, json: {a: b}, data: {a: b}}, token_path: t}', expected='5 attributes.client.auth.request.data: is a second body beside `json`: remove one of the two'),
    Mistake(old=AUTH, new=f'auth: {{type: login, request: {{path: /login, json: {{user: {{password: {SECRET}}}}}}}, token_path: t}}', expected='5 attributes.client.auth.request.json.user.password: must not be written here: write {env: NAME} and set NAME in the environment'),
    Mistake(old=AUTH, new=f'auth: {{type: login, request: {{path: /login, data: {{password: {SECRET}}}}}, token_path: t}}', expected='5 attributes.client.auth.request.data.password: must not be written here: write {env: NAME} and set NAME in the environment'),
    Mistake(old=AUTH, new=f'auth: {{type: login, request: {{path: /login, headers: {{X-Api-Key: {SECRET}}}}}, token_path: t}}', expected='5 attributes.client.auth.request.headers.X-Api-Key: must not be written here: write {env: NAME} and set NAME in the environment'),
    Mistake(old=AUTH, new='auth: {type: login, request: {path: /login, json: {token: "{refresh_token}"}}, token_path: t}', expected='5 attributes.client.auth.request: contains {refresh_token}, which the first login does not have: it belongs in `refresh`'),
    Mistake(old=AUTH, new='auth: {type: login, request: /login, token_path: t, refresh: {path: /r}, refresh_token_path: r}', expected='5 attributes.client.auth.refresh: must send the refresh token, for example json: {refresh_token: "{refresh_token}"}'),
    Mistake(old=AUTH, new='auth: {type: login, request: /login, token_path: t, refresh: {path: /r, data: {a: "{refresh_token}"}}}', expected='5 attributes.client.auth.refresh_token_path: is required by `refresh`: the path of the refresh token in the responses'),
    Mistake(old=AUTH, new='auth: {type: login, request: /login, token_path: t, refresh_token_path: r}', expected='5 attributes.client.auth.refresh: is required by `refresh_token_path`: the request that uses the refresh token'),
    Mistake(old=AUTH, new='auth: {type: login, request: /login, token_path: t, header: A, param: b}', expected='5 attributes.client.auth.param: is a second place of the token beside `header`: remove one of the two'),
    Mistake(old=AUTH, new='auth: {type: login, request: /login, token_path: t, cookie: a, prefix: b}', expected='5 attributes.client.auth.prefix: is for a token in a header'),
    Mistake(old=AUTH, new='auth: {type: login, request: /login, token_path: "t[*]"}', expected='5 attributes.client.auth.token_path: must be a JSONPath to one value, such as next or meta.next'),
    Mistake(old=AUTH, new='auth: {type: login, request: /login, token_path: t, expires_unit: minutes}', expected="5 attributes.client.auth.expires_unit: must be 's', 'ms', 'epoch_s' or 'epoch_ms'"),
    Mistake(old=AUTH, new=f"{OAUTH2}, grant_type: password, username: me}}", expected="5 attributes.client.auth.password: is required by `grant_type: password`"),
    Mistake(old=AUTH, new=f"{OAUTH2}, username: me}}", expected="5 attributes.client.auth.username: is for `grant_type: password`"),
    Mistake(old=AUTH, new=f"{OAUTH2}, grant_type: client_credentials, refresh_token: {{env: R}}}}", expected="5 attributes.client.auth.refresh_token: is for `grant_type: refresh_token`"),
    Mistake(old=AUTH, new=f"{OAUTH2}, grant_type: passwrd}}", expected="5 attributes.client.auth.grant_type: must be 'client_credentials', 'refresh_token' or 'password'; did you mean 'password'?"),
    Mistake(old=PATH, new=f"{PATH}\n        auth: {{type: bearer, token: {SECRET}}}", expected=f"13 {USERS}.endpoint.auth.token: must not be written here: write {{env: NAME}} and set NAME in the environment"),
    Mistake(old=PATH, new=f"{PATH}\n        auth: none", expected=f"13 {USERS}.endpoint.auth.type: must be one of oauth2, oauth2_client_credentials, login, api_key, bearer, http_basic"),
    Mistake(old=PATH, new=f"{PATH}\n        auth: {{type: api_key, name: k, api_key: {{env: A}}, location: body}}", expected=f"11 {USERS}.endpoint.json: must be a mapping (or `data`, with `method: POST`), since `auth` adds the API key to the body"),
    Mistake(old=AUTH, new="auth: {type: api_key, name: k, api_key: {env: A}, location: form}", expected="5 attributes.client.auth.location: must be 'header', 'query', 'cookie' or 'body'"),
    Mistake(old=AUTH, new="auth: {type: api_key, name: k, api_key: {env: A}, location: query, prefix: x}", expected="5 attributes.client.auth.prefix: is for a key in a header"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        json: {{apiKey: {SECRET}}}", expected=f"14 {USERS}.endpoint.json.apiKey: is a secret by its name: write client.auth {{type: api_key, name: apiKey, location: body}} instead"),
    # Secrets in place of their names
    Mistake(old=AUTH, new=f"auth: {{type: bearer, token: {SECRET}}}", expected="5 attributes.client.auth.token: must not be written here: write {env: NAME} and set NAME in the environment"),
    Mistake(old=AUTH, new=f"auth: [{{type: api_key, api_key: {SECRET}}}]", expected="5 attributes.client.auth[0].api_key: must not be written here: write {env: NAME} and set NAME in the environment"),
    Mistake(old=AUTH, new=f"auth: {{type: http_basic, username: me, password: {SECRET}}}", expected="5 attributes.client.auth.password: must not be written here: write {env: NAME} and set NAME in the environment"),
    Mistake(old=AUTH, new=f"{OAUTH2}, refresh_token: {SECRET}}}", expected="5 attributes.client.auth.refresh_token: must not be written here: write {env: NAME} and set NAME in the environment"),
    Mistake(old=AUTH, new=OAUTH2.replace("{env: S}", SECRET) + "}", expected="5 attributes.client.auth.client_secret: must not be written here: write {env: NAME} and set NAME in the environment"),
    Mistake(old=AUTH, new=f"{OAUTH2}, access_token_request_data: {{password: {SECRET}}}}}", expected="5 attributes.client.auth.access_token_request_data.password: must not be written here: write {env: NAME} and set NAME in the environment"),
    Mistake(old=AUTH, new=f"auth: {{type: bearer, token: {{env: '{SECRET}!'}}}}", expected="5 attributes.client.auth.token.env: must be the name of an environment variable"),
    Mistake(old=AUTH, new="auth: {type: bearer, token: {env: A, secret: b}}", expected="5 attributes.client.auth.token: must be {env: NAME} or {secret: a.path.in.dlt.secrets}"),
    Mistake(old=CLIENT, new=f"{CLIENT}\n    headers: {{Authorization: Bearer {SECRET}}}", expected="5 attributes.client.headers.Authorization: must not be written here: write {env: NAME} and set NAME in the environment"),
    Mistake(old=CLIENT, new=f"base_url: https://me:{SECRET}@api.example.com", expected="4 attributes.client.base_url: must be a URL without user, query and fragment: credentials belong in `client.auth`"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{api_key: {SECRET}}}", expected=f"13 {USERS}.endpoint.params.api_key: is a secret by its name: write client.auth {{type: api_key, name: api_key, location: query}} instead"),
    # Consistency
    Mistake(old="    primary_key: id\n", new="", expected=f"9 {USERS}.primary_key: is required, since rows are merged by it; without a key, write `write_disposition: replace`"),
    Mistake(old=f"data_selector: data, {PAGINATOR}", new="data_selector: data", expected=f"11 {USERS}.endpoint.paginator: is required: a `type` of offset, page_number, cursor, json_link, json_response, header_link, header_cursor, single_page"),
    Mistake(old="data_selector: data, ", new="", expected=f"11 {USERS}.endpoint.data_selector: is required: the path of the records in a response, or `$` for a bare list"),
    Mistake(old=NAME, new=f"{NAME}\n      write_disposition: append", expected=f"11 {USERS}.write_disposition: append needs `endpoint.incremental` with a `cursor_path`: otherwise a window that is loaded twice has duplicate rows"),
    Mistake(old=NAME, new=f"{NAME}\n      write_disposition: append\n      description: |\n        x", expected=f"11 {USERS}.write_disposition: append needs `endpoint.incremental` with a `cursor_path`: otherwise a window that is loaded twice has duplicate rows"),
    Mistake(old=f"{NAME}\n      endpoint:\n        {PATH}", new=f"{NAME}\n      write_disposition: append\n      endpoint: {{incremental: {{start_param: s}}}}", expected=f"11 {USERS}.write_disposition: append needs `endpoint.incremental` with a `cursor_path`: otherwise a window that is loaded twice has duplicate rows"),
    Mistake(old=f"{NAME}\n      endpoint:\n        {PATH}", new=f"{NAME}\n      write_disposition: replace\n      endpoint: {{incremental: {{start_param: s}}}}", expected=f"11 {USERS}.write_disposition: replace with `incremental` would keep the last window only: write merge or append"),
    Mistake(old=f"{PATH}\n  {PARTITIONS}", new=INCREMENTAL + "{start_param: s}", expected=f"13 {USERS}.endpoint.incremental: needs `partitions`, such as {{cadence: daily, start: 2026-10-01}}"),
    Mistake(old=PATH, new=INCREMENTAL + "{cursor_path: at}", expected=f"13 {USERS}.endpoint.incremental: must say how the API filters by time: `start_param`, `end_param`, or {{start}} and {{end}} in `params`, the path or the body"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s, end_param: s}", expected=f"13 {USERS}.endpoint.incremental.end_param: is the same as `start_param`: a parameter has one value"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s}\n        params: {s: 1}", expected=f"14 {USERS}.endpoint.params.s: is set to a bound of the window by `incremental`: remove it here, or there"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{q: 'x > {{start}}'}}", expected=f"13 {USERS}.endpoint.params.q: contains {{start}} or {{end}}, which need `endpoint.incremental`"),
    # Placeholders
    Mistake(old=PATH, new=f"{PATH}\n        params: {{q: 'x > {{strat}}'}}", expected=f"13 {USERS}.endpoint.params.q: unknown placeholder {{strat}}; did you mean {{start}}?"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{q: 'at{{END}}'}}", expected=f"13 {USERS}.endpoint.params.q: unknown placeholder {{END}}; did you mean {{end}}?"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{q: '{{ start }}'}}", expected=f"13 {USERS}.endpoint.params.q: unknown placeholder {{ start }}; did you mean {{start}}?"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{q: 'id:{{user_id}}'}}", expected=f"13 {USERS}.endpoint.params.q: unknown placeholder {{user_id}}; allowed: {{start}}, {{end}}, {{offset}}"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{q: '${{HOME}}'}}", expected=f"13 {USERS}.endpoint.params.q: unknown placeholder {{HOME}}; allowed: {{start}}, {{end}}, {{offset}}"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{q: '{{incremental.start_value}}'}}", expected=f"13 {USERS}.endpoint.params.q: dlt's placeholder {{incremental...}} is not supported: write {{start}} or {{end}}"),
    Mistake(old=PATH, new="path: /v1/users/{id}", expected=f"12 {USERS}.endpoint.path: unknown placeholder {{id}}; allowed: {{start}}, {{end}}, {{offset}}"),
    Mistake(old=PATH, new="path: /v1/users/{start}", expected=f"12 {USERS}.endpoint.path: contains {{start}} or {{end}}, which need `endpoint.incremental`"),
    Mistake(old=PATH, new="path: /v1/users/{page}", expected=f"12 {USERS}.endpoint.path: contains {{page}}, which needs a paginator of type page_number"),
    Mistake(old=PATH, new="path: /v1/users/{ofset}", expected=f"12 {USERS}.endpoint.path: unknown placeholder {{ofset}}; did you mean {{offset}}?"),
    Mistake(old=PATH, new=f"{PATH}\n        headers: {{X-Since: '{{strat}}'}}", expected=f"13 {USERS}.endpoint.headers.X-Since: unknown placeholder {{strat}}; did you mean {{start}}?"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{q: '{{{{ start }}}}'}}", expected=f"13 {USERS}.endpoint.params.q: is the text {{start}}, since doubled braces are literal: write {{start}}"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        json: {{where: [{{at: '{{strat}}'}}]}}", expected=f"14 {USERS}.endpoint.json.where[0].at: unknown placeholder {{strat}}; did you mean {{start}}?"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        json: {{q: 'at > {{since}}'}}", expected=f"14 {USERS}.endpoint.json.q: unknown placeholder {{since}}; allowed: {{start}}, {{end}}, {{offset}}"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        data: 'at={{strat}}'", expected=f"14 {USERS}.endpoint.data: unknown placeholder {{strat}}; did you mean {{start}}?"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        json: {{at: '{{start}}'}}", expected=f"14 {USERS}.endpoint.json.at: contains {{start}} or {{end}}, which need `endpoint.incremental`"),
    # bodies
    Mistake(old=PATH, new=f"{PATH}\n        json: {{a: 1}}", expected=f"13 {USERS}.endpoint.json: needs `method: POST` or `method: PUT`, or `method: GET` if the API reads the body of a GET"),
    Mistake(old=PATH, new=f"{PATH}\n        data: {{a: 1}}", expected=f"13 {USERS}.endpoint.data: needs `method: POST` or `method: PUT`, or `method: GET` if the API reads the body of a GET"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        json: {{a: 1}}\n        data: {{a: 1}}", expected=f"15 {USERS}.endpoint.data: is the body, and `json` is too: remove one of the two"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        json: text", expected=f"14 {USERS}.endpoint.json: must be a mapping or a list: the body of the request as JSON; write other text as `data`"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        data: [1]", expected=f"14 {USERS}.endpoint.data: must be a mapping, the fields of a form, or the body as text"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        data: {{a: [[1]]}}", expected=f"14 {USERS}.endpoint.data.a: must be a text, number or boolean, or a list of these: the parameter is repeated for each"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        json: {{auth: [{{password: s3cret}}]}}", expected=f"14 {USERS}.endpoint.json.auth[0].password: is a secret by its name: it belongs in `client.auth`, not in the file"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        json: {{key: {{env: SHOP_KEY}}}}", expected=f"14 {USERS}.endpoint.json.key: is sent as it is: a secret belongs in `client.auth`, not in the body"),
    Mistake(old=PATH, new=f"{PATH}\n        method: POST\n        data: {{api_key: s3cret}}", expected=f"14 {USERS}.endpoint.data.api_key: is a secret by its name: write client.auth {{type: api_key, name: api_key, location: body}} instead"),
    Mistake(old=PAGINATOR, new="paginator: {type: offset, limit: 1, offset_body_path: page.offset}", expected=f"11 {USERS}.endpoint.paginator.offset_body_path: needs `method: POST` or `method: PUT`, or `method: GET` if the API reads the body of a GET"),
    Mistake(old=PAGINATOR, new="paginator: {type: offset, limit: 1, limit_param: offset}", expected="8 attributes.resource_defaults.endpoint.paginator.limit_param: is the same as `offset_param`: a parameter has one value"),
    Mistake(old=PAGINATOR, new="method: POST, data: text, paginator: {type: offset, limit: 1, offset_body_path: page.offset}", expected=f"11 {USERS}.endpoint.paginator.offset_body_path: needs a body that is a mapping, to set the value in"),
    Mistake(old=PAGINATOR, new="paginator: {type: offset, limit: 1, offset_param: o, offset_body_path: page.offset}", expected="8 attributes.resource_defaults.endpoint.paginator.offset_body_path: has the same meaning as `offset_param`: remove one of the two"),
    Mistake(old=PAGINATOR, new="paginator: {type: cursor, cursor_param: c, cursor_path: next, cursor_body_path: after}", expected="8 attributes.resource_defaults.endpoint.paginator.cursor_body_path: has the same meaning as `cursor_param`: remove one of the two"),
    Mistake(old=PAGINATOR, new="paginator: {type: cursor, cursor_path: next}", expected="8 attributes.resource_defaults.endpoint.paginator.cursor_param: is required, or `cursor_body_path`"),
    Mistake(old=PAGINATOR, new="paginator: {type: cursor, cursor_body_path: 'a[0].b', cursor_path: next}", expected="8 attributes.resource_defaults.endpoint.paginator.cursor_body_path: must be a field of the body, or a path to one such as page.number"),
    Mistake(old=PAGINATOR, new="paginator: {type: page_number, page_param: null}", expected=f"11 {USERS}.endpoint.paginator.page_param: is null, and nothing else sends the page"),
    # Masked fields
    Mistake(old=NAME, new=f"{NAME}\n      exclude: [id]", expected=f"11 {USERS}.exclude: 'id' holds the primary key 'id': `hash` it instead"),
    Mistake(old=NAME, new=f"{NAME}\n      exclude: contacts[*].phone", expected=f"11 {USERS}.exclude: must be a field of the records, or a path to one such as attributes.updatedAt"),
    Mistake(old=NAME, new=f"{NAME}\n      exclude: [ssn]\n      columns: {{ssn: {{type: string}}}}", expected=f"11 {USERS}.exclude: 'ssn' is declared as a column: remove one of the two"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s, cursor_path: meta.at}\n      exclude: meta", expected=f"14 {USERS}.exclude: 'meta' holds the cursor 'meta.at' of `incremental`, which must be loaded as it is"),
    Mistake(old=PATH, new=INCREMENTAL + "{start_param: s, cursor_path: at}\n      hash: {at: {env: SALT}}", expected=f"14 {USERS}.hash: 'at' holds the cursor 'at' of `incremental`, which must be loaded as it is"),
    Mistake(old=NAME, new=f"{NAME}\n      hash: {{email: {SECRET}}}", expected=f"11 {USERS}.hash.email: must not be written here: write {{env: NAME}} and set NAME in the environment"),
    Mistake(old=NAME, new=f"{NAME}\n      hash: [email]", expected=f"11 {USERS}.hash: must be a mapping"),
    Mistake(old=NAME, new=f"{NAME}\n      hash: {{email: {{evn: SALT}}}}", expected=f"11 {USERS}.hash.email.evn: unknown key; did you mean 'env'? allowed: env, secret"),
    Mistake(old=NAME, new=f"{NAME}\n      hash: {{phone: {{env: SALT}}}}\n      columns: {{phone: {{type: integer}}}}", expected=f"11 {USERS}.hash.phone: is declared as bigint, but a hash is text: declare it as string"),
    Mistake(old=NAME, new=f"{NAME}\n      exclude: contact\n      hash: {{contact.phone: {{env: SALT}}}}", expected=f"12 {USERS}.hash.contact.phone: overlaps with 'contact' of `exclude` or `hash`: keep one of the two"),
    # Formats
    Mistake(old=PATH, new=f"{PATH}\n        format: xml", expected=f"13 {USERS}.endpoint.format: must be 'json', 'jsonl' or 'csv'"),
    Mistake(old=PATH, new=f"{PATH}\n        format: json1", expected=f"13 {USERS}.endpoint.format: must be 'json', 'jsonl' or 'csv'; did you mean 'json'?"),
    Mistake(old=PATH, new=f"{PATH}\n        format: csv", expected=f"11 {USERS}.endpoint.data_selector: must be `$` with `format: csv`: each line is a record"),
    Mistake(old=PATH, new=f"{PATH}\n        format: jsonl\n        data_selector: $\n        paginator: {{type: offset, limit: 9, total_path: meta.total}}", expected=f"15 {USERS}.endpoint.paginator.total_path: cannot be read from `format: jsonl`, which has records only: page by numbers or headers"),
    # Code
    Mistake(old="attributes:\n", new="template_vars_module: os\nattributes:\n", expected="2 template_vars_module: is not supported, since it runs code; define the assets in Python instead"),
    Mistake(old="attributes:\n", new="post_processing: {assets: []}\nattributes:\n", expected="2 post_processing: is not supported, since it runs code; define the assets in Python instead"),
    Mistake(old=PATH, new="path: !!python/object/apply:os.system ['true']", expected=f"12 {USERS}.endpoint.path: the YAML tag python/object/apply:os.system is not supported"),
    # YAML
    Mistake(old=PATH, new="path: [", expected="14: while parsing a flow sequence expected ',' or ']', but got '<stream end>'"),
    Mistake(old=PATH, new="path: a: b", expected="12: mapping values are not allowed here"),
    Mistake(old=NAME, new=f"{NAME}\n      name: again", expected=f"10 {USERS}.name: duplicate key, again on line 11"),
    Mistake(old=NAME, new=f"{NAME}\n      5: x", expected=f"11 {USERS}.?: a key must be text: put it in quotes"),
    Mistake(old=NAME, new=f"{NAME}\n      description: {'9' * 5000}", expected=f"11 {USERS}.description: cannot be read as int: put it in quotes"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{operator: =}}", expected=f"13 {USERS}.endpoint.params.operator: cannot be read as value: put it in quotes"),
    Mistake(old=PATH, new=f"{PATH}\n        params: {{=: x}}", expected=f"13 {USERS}.endpoint.params.?: a key must be text: put it in quotes"),
    Mistake(old=NAME, new=f'{NAME}\n      description: "\\ud800"', expected=f"11 {USERS}.description: contains half of a character (\\ud800 to \\udfff)"),
    Mistake(old=PATH, new=f'{PATH}\n        params: {{"\\ud800": x}}', expected=f"13 {USERS}.endpoint.params.?: a key must be text: put it in quotes"),
    Mistake(old=PATH, new="path: !!timestamp x", expected=f"12 {USERS}.endpoint.path: the YAML tag timestamp is not supported"),
    Mistake(old=PATH, new="path: &a /v1\n        data_selector: *a", expected="13: aliases (*name) are not supported: repeat the value, or use `resource_defaults`"),
    Mistake(old=PATH, new="<<: {path: x}", expected=f"12 {USERS}.endpoint.?: a key must be text: put it in quotes"),
    Mistake(old=PARTITIONS, new=f"{PARTITIONS}\n---\na: 1", expected="14: expected a single document in the stream but found another document"),
    Mistake(old=PATH, new="path: \x00", expected="12: contains a character that YAML does not allow"),
    Mistake(old=PATH, new='path: "\\U00110000"', expected="12: contains an escape (\\U...) for a character that does not exist"),
]  # fmt: skip


@pytest.mark.parametrize("case", WRONG)
def test_mistake_is_reported_in_one_line(case: Mistake, tmp_path: Path) -> None:
    assert problems(write(tmp_path, edited(case.old, case.new))) == [case.expected]


def test_all_mistakes_are_reported_in_the_order_of_the_file(tmp_path: Path) -> None:
    text = edited(PATH, "pth: /v1/users").replace("limit: 100", "limit: 0").replace("daily", "dayly")
    lines = [line.split(":")[0] for line in problems(write(tmp_path, text))]
    assert lines == [
        "8 attributes.resource_defaults.endpoint.paginator.limit",
        "12 attributes.resources[0].endpoint.pth",
        "13 attributes.partitions.cadence",
    ]


BAD_FILES = [
    (b"", "1: must be a mapping with the keys type and attributes"),
    (b"- 1", "1: must be a mapping with the keys type and attributes"),
    (b"type: analytics_assets.components.RestApi", "1 attributes: is required: a mapping with the keys checks, client, docs_url, partitions, resource_defaults, resources, sandbox, schedule"),
    (b"type: analytics_assets.components.RestApi\nattributes:", "2 attributes: is required: a mapping with the keys checks, client, docs_url, partitions, resource_defaults, resources, sandbox, schedule"),
    (b"type: x\nattributes: \xff", "2: is not UTF-8 text"),
    (b"[" * 200_000, "1: nested deeper than 50 levels"),
    (b"a: &a [1]\nb: &b [*a, *a]", "2: aliases (*name) are not supported: repeat the value, or use `resource_defaults`"),
    (b"a: " + b"x" * 250_000, "1: is larger than 250000 bytes"),
]  # fmt: skip


@pytest.mark.parametrize(("content", "expected"), BAD_FILES, ids=range(len(BAD_FILES)))
def test_invalid_file(tmp_path: Path, content: bytes, expected: str) -> None:
    assert problems(write(tmp_path, content)) == [expected]


def test_missing_file(tmp_path: Path) -> None:
    assert problems(tmp_path / "recruiting" / "defs.yaml") == [" cannot be read: No such file or directory"]


@pytest.mark.parametrize("api", ["my-api", "Recruiting", "a__b", "_a", "9a"])
def test_folder_name_must_be_a_valid_api_name(tmp_path: Path, api: str) -> None:
    expected = f" the folder's name, {api!r}, names the API: it must be lower-case snake_case of at most 60 characters"
    (line,) = problems(write(tmp_path, BASE, api=api))
    assert line.lstrip("1:").startswith(expected)


def test_file_is_parsed_again_only_if_its_text_changes(tmp_path: Path) -> None:
    file = write(tmp_path, BASE)
    first = load_config(file)
    assert load_config(file) is first
    write(tmp_path, edited("limit: 100", "limit: 200"))
    assert load_config(file) != first
