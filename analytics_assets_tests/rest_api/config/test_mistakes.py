"""Messages about wrong configurations: file, line, key, and what is allowed."""

# ruff: noqa: E501  (a case is a line)
from __future__ import annotations

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


# A part of the small configuration, its replacement, and the line of the error.
USERS = "attributes.resources[0]"
WRONG = [
    # Keys
    (PAGINATOR, "paginator: {type: offset, limitt: 100, limit: 1}", "8 attributes.resource_defaults.endpoint.paginator.limitt: unknown key; did you mean 'limit'? allowed: has_more_path, limit, limit_param, maximum_offset, offset, offset_param, stop_after_empty_page, total_path, total_rows_header, total_rows_path, type"),
    ("  partitions:", "  partition:", "13 attributes.partition: unknown key; did you mean 'partitions'? allowed: client, partitions, resource_defaults, resources, sandbox, schedule"),
    (NAME, f"{NAME}\n      qqq: 1", f"11 {USERS}.qqq: unknown key; allowed: columns, description, endpoint, name, null_key, owners, preview, primary_key, schema, schema_contract, tags, write_disposition"),
    (CLIENT, "max_concurrency: 2", "3 attributes.client.base_url: is required"),
    (NAME, "description: x", f"10 {USERS}.name: is required"),
    ("attributes:", "atributes: {}\nattributes:", "2 atributes: unknown key; did you mean 'attributes'? allowed: type, attributes, requirements"),
    ("components.RestApi", "components.RestAp", "1 type: must be analytics_assets.components.RestApi"),
    ("type: analytics_assets.components.RestApi", "type:", "1 type: must be analytics_assets.components.RestApi"),
    ("type: analytics_assets.components.RestApi\n", "", "1 type: must be analytics_assets.components.RestApi"),
    ("attributes:\n", "requirements: 5\nattributes:\n", "2 requirements: must be {env: [NAME, ...]}, or left out"),
    ("attributes:\n", "requirements: {env: A}\nattributes:\n", "2 requirements: must be {env: [NAME, ...]}, or left out"),
    ("attributes:\n", "requirements: {env: [1]}\nattributes:\n", "2 requirements: must be {env: [NAME, ...]}, or left out"),
    ("attributes:\n", "requirements: {x: []}\nattributes:\n", "2 requirements: must be {env: [NAME, ...]}, or left out"),
    # dlt's keys that are not supported
    (PATH, f"{PATH}\n        response_actions: []", f"13 {USERS}.endpoint.response_actions: dlt's key is not supported: `error_handler` lists the statuses to retry; `end_on_404` ends page_number"),
    (NAME, f"{NAME}\n      processing_steps: []", f"11 {USERS}.processing_steps: dlt's key is not supported: records are loaded unchanged; transform them in a downstream asset"),
    (PAGINATOR, "paginator: auto", "8 attributes.resource_defaults.endpoint.paginator.type: dlt's 'auto' is not supported: a wrongly detected paginator loses rows; name the API's paginator"),
    (PAGINATOR, "paginator: {type: page_number, stop_after_empty_page: false}", "8 attributes.resource_defaults.endpoint.paginator.stop_after_empty_page: must be True"),
    (PATH, INCREMENTAL + "{start_param: s, initial_value: x}", f"13 {USERS}.endpoint.incremental.initial_value: dlt's key is not supported: history begins at `partitions.start`"),
    (PATH, f"{PATH}\n        params: {{since: {{type: incremental, cursor_path: at}}}}", f"13 {USERS}.endpoint.params.since: dlt's incremental parameter is not supported: write `start_param` in endpoint.incremental"),
    (PATH, "path: /v1/{resources.posts.id}/x", f"12 {USERS}.endpoint.path: dlt's placeholder {{resources...}} is not supported: a resource cannot depend on the rows of another one"),
    (PATH, f"{PATH}\n        method: POST", f"13 {USERS}.endpoint.method: must be 'GET'"),
    (PATH, f"{PATH}\n        ignore_hints: [count, ' ']", f"13 {USERS}.endpoint.ignore_hints[1]: must be a path in the response such as meta.count, or the name of a header"),
    # Types and values
    (CLIENT, "base_url: 5", "4 attributes.client.base_url: must be text (in quotes, if it looks like a number) or {env: NAME}"),
    (CLIENT, "base_url: ftp://x", "4 attributes.client.base_url: must be a URL such as https://api.example.com/v1, or {env: NAME}"),
    (CLIENT, "base_url: '{{ env.URL }}'", "4 attributes.client.base_url: must be a URL such as https://api.example.com/v1, or {env: NAME}"),
    (CLIENT, f"{CLIENT}\n    max_concurrency: true", "5 attributes.client.max_concurrency: must be a valid integer"),
    (CLIENT, f"{CLIENT}\n    read_timeout: .inf", "5 attributes.client.read_timeout: must be a finite number"),
    (CLIENT, f"{CLIENT}\n    headers: {{'a b': x}}", '5 attributes.client.headers["a b"]: must be the name of an HTTP header'),
    (CLIENT, f"{CLIENT}\n    headers: {{X-A: \"a\\nb\"}}", "5 attributes.client.headers.X-A: must be plain ASCII text"),
    (f"\n    - {NAME}\n      endpoint:\n        {PATH}", " []", "9 attributes.resources: must have at least one resource"),
    ("resources:\n    - name", "resources:\n    - 5\n    - name", "10 attributes.resources[0]: must be a mapping with some of the keys columns, description, endpoint, name, null_key, owners, preview, primary_key, schema, schema_contract, tags, write_disposition"),
    (NAME, f"{NAME}\n      write_disposition: merg", f"11 {USERS}.write_disposition: must be 'merge', 'replace' or 'append'; did you mean 'merge'?"),
    (NAME, f"{NAME}\n      primary_key: [id, 5]", f"11 {USERS}.primary_key[1]: must be text"),
    (NAME, f"{NAME}\n      primary_key: {{}}", f"11 {USERS}.primary_key: must be text"),
    (NAME, f"{NAME}\n      owners: someone", f"11 {USERS}.owners: must be an e-mail address, or team:name"),
    (NAME, f"{NAME}\n      tags: {{a b: c}}", f'11 {USERS}.tags["a b"]: must be a tag of letters, digits, _, - and ., at most 63 on each side, its value as text'),
    (PATH, "path: https://other.example.com/x", f"12 {USERS}.endpoint.path: must be a path below `base_url`, such as /v1/users, with special characters percent-encoded"),
    (PATH, f"{PATH}\n        params: {{a: [1, 2]}}", f"13 {USERS}.endpoint.params.a: must be one text, number or boolean; write a list as the API expects it, for example a,b"),
    (PATH, f"{PATH}\n        data_selector: data[?(@.x)]", f"13 {USERS}.endpoint.data_selector: must be a JSONPath of names, indexes and wildcards: data, data.items, items[*].data, or $ for a bare list"),
    (PATH, f"{PATH}\n        error_handler: {{retry_on_status_codes: [200]}}", f"13 {USERS}.endpoint.error_handler.retry_on_status_codes[0]: must be greater than or equal to 400"),
    (PAGINATOR, "paginator: {type: ofset, limit: 1}", "8 attributes.resource_defaults.endpoint.paginator.type: must be one of offset, page_number, cursor, json_link, json_response, header_link, header_cursor, single_page; did you mean 'offset'?"),
    (PAGINATOR, "paginator: {limit: 1}", "8 attributes.resource_defaults.endpoint.paginator: must be a mapping whose `type` is one of offset, page_number, cursor, json_link, json_response, header_link, header_cursor, single_page"),
    (PAGINATOR, "paginator: {type: offset, limit: 0}", "8 attributes.resource_defaults.endpoint.paginator.limit: must be greater than 0"),
    (PAGINATOR, "paginator: {type: cursor, cursor_param: a, cursor_path: 'items[*].x'}", "8 attributes.resource_defaults.endpoint.paginator.cursor_path: must be a JSONPath to one value, such as next or meta.next"),
    (PAGINATOR, "paginator: {type: cursor, cursor_param: a, cursor_path: b, stop_condition: more == false}", "8 attributes.resource_defaults.endpoint.paginator.stop_condition: must be `<path> is false`, `is true`, `is null` or `is empty`, for example: hasNext is false"),
    (PAGINATOR, "paginator: {type: cursor, cursor_param: a, cursor_path: b, stop_condition: c is null, has_more_path: c}", "8 attributes.resource_defaults.endpoint.paginator: has both `stop_condition` and `has_more_path`: remove one of the two"),
    (PAGINATOR, "paginator: {type: page_number, base_page: -1}", "8 attributes.resource_defaults.endpoint.paginator.base_page: must be greater than or equal to 0"),
    (PAGINATOR, "paginator: {type: page_number, base_page: 1, start_from_page: 1}", "8 attributes.resource_defaults.endpoint.paginator.start_from_page: has the same meaning as 'base_page': remove one of the two"),
    (PATH, INCREMENTAL + "{start_param: s, format: epoch}", f"13 {USERS}.endpoint.incremental.format: must be one of iso8601, epoch_s, epoch_ms, date, or a strftime pattern such as '%Y-%m-%d %H:%M'; did you mean 'epoch_s'?"),
    (PATH, INCREMENTAL + "{start_param: s, format: '%H:%M'}", f"13 {USERS}.endpoint.incremental.format: must be one of iso8601, epoch_s, epoch_ms, date, or a strftime pattern such as '%Y-%m-%d %H:%M'"),
    (PATH, INCREMENTAL + "{start_param: s, lookback: 2}", f"13 {USERS}.endpoint.incremental.lookback: must be a duration such as '2 days', '6:00:00' or P2D"),
    (PATH, INCREMENTAL + "{start_param: s, lookback: -P1D}", f"13 {USERS}.endpoint.incremental.lookback: must be from zero to ten years"),
    (PARTITIONS, "partitions: {cadence: daily, start: 1}", "13 attributes.partitions.start: must be a date such as 2026-10-01, or a time such as 2026-10-01T06:00"),
    (PARTITIONS, "partitions: {cadence: daily, start: 0001-01-01}", "13 attributes.partitions.start: must be between 1970 and 2100"),
    (PARTITIONS, "partitions: {cadence: daily, start: '2026-10-01T00:00:00+02:00'}", "13 attributes.partitions.start: must be without offset: the time is in `timezone`"),
    (PARTITIONS, "partitions: {cadence: daily, start: 2026-10-01, chunk: 0}", "13 attributes.partitions.chunk: must be greater than or equal to 1"),
    (PARTITIONS, "partitions: {cadence: daily, start: 2026-10-01, timezone: Europe/Berln}", "13 attributes.partitions.timezone: must be a time zone such as Europe/Berlin; did you mean 'Europe/Berlin'?"),
    (PARTITIONS, "schedule: {hour: 24}", "13 attributes.schedule.hour: must be less than or equal to 23"),
    # Columns
    (NAME, f"{NAME}\n      columns: {{createdAt: {{type: integer, fromat: epoch_ms}}}}", f"11 {USERS}.columns.createdAt.fromat: unknown key; did you mean 'format'? allowed: data_type, description, format, nullable, precision, scale, type"),
    (NAME, f"{NAME}\n      columns: {{a: {{type: strng}}}}", f"11 {USERS}.columns.a.type: must be 'null', 'boolean', 'integer', 'number', 'string', 'object' or 'array'; did you mean 'string'?"),
    (NAME, f"{NAME}\n      columns: {{a: {{type: [string, integer]}}}}", f"11 {USERS}.columns.a.type: must name one type besides null"),
    (NAME, f"{NAME}\n      columns: {{a: {{type: boolean, format: date}}}}", f"11 {USERS}.columns.a.format: is for texts and numbers that are times, or for data_type timestamp"),
    (NAME, f"{NAME}\n      columns: {{a: {{data_type: text, precision: 5}}}}", f"11 {USERS}.columns.a.precision: is for data_type decimal"),
    (NAME, f"{NAME}\n      columns: {{a: {{nullable: true}}}}", f"11 {USERS}.columns.a: needs `type` (JSON Schema's) or `data_type` (dlt's), not both"),
    (NAME, f"{NAME}\n      columns:\n        createdAt: {{type: integer}}\n        created_at: {{type: integer}}", f"13 {USERS}.columns.created_at: is the column 'created_at', as 'createdAt' is: remove one of the two"),
    (NAME, f"{NAME}\n      columns:\n        - {{name: a, data_type: text}}\n        - {{name: A, data_type: text}}", f"13 {USERS}.columns[1].name: is the column 'a', as 'a' is: remove one of the two"),
    (NAME, f"{NAME}\n      columns: {{_dlt_id: {{data_type: text}}}}", f"11 {USERS}.columns._dlt_id: starts with _dlt, which is reserved for dlt"),
    (NAME, f"{NAME}\n      schema_contract: freez", f"11 {USERS}.schema_contract.data_type: must be 'evolve', 'freeze' or 'discard_value'; did you mean 'freeze'?"),
    (NAME, f"{NAME}\n      schema_contract: {{columns: freeze}}", f"11 {USERS}.schema_contract.columns: must be 'evolve'"),
    (NAME, f"{NAME}\n      schema: {{properties: {{a: {{type: string, fromat: date}}}}}}", f"11 {USERS}.schema.properties.a.fromat: unknown key; did you mean 'format'? allowed: description, format, type"),
    (NAME, f"{NAME}\n      schema: {{type: array, properties: {{a: {{type: string}}}}}}", f"11 {USERS}.schema.type: must be 'object'"),
    (NAME, f"{NAME}\n      schema: {{properties: {{a: {{type: string}}}}}}\n      columns: {{b: {{type: string}}}}", f"11 {USERS}.schema: has the same meaning as `columns`: remove one of the two"),
    # Names
    (NAME, "name: cashDrawers", f"10 {USERS}.name: must be lower-case snake_case of at most 60 characters, such as bank_accounts"),
    (NAME, "name: cash__drawers", f"10 {USERS}.name: must be lower-case snake_case of at most 60 characters, such as bank_accounts"),
    (NAME, "name: users\n    - name: users", "11 attributes.resources[1].name: is already the name of resources[0]"),
    # Secrets in place of their names
    (AUTH, f"auth: {{type: bearer, token: {SECRET}}}", "5 attributes.client.auth.token: must not be written here: write {env: NAME} and set NAME in the environment"),
    (AUTH, f"auth: [{{type: api_key, api_key: {SECRET}}}]", "5 attributes.client.auth[0].api_key: must not be written here: write {env: NAME} and set NAME in the environment"),
    (AUTH, f"auth: {{type: http_basic, username: me, password: {SECRET}}}", "5 attributes.client.auth.password: must not be written here: write {env: NAME} and set NAME in the environment"),
    (AUTH, f"{OAUTH2}, refresh_token: {SECRET}}}", "5 attributes.client.auth.refresh_token: must not be written here: write {env: NAME} and set NAME in the environment"),
    (AUTH, OAUTH2.replace("{env: S}", SECRET) + "}", "5 attributes.client.auth.client_secret: must not be written here: write {env: NAME} and set NAME in the environment"),
    (AUTH, f"{OAUTH2}, access_token_request_data: {{password: {SECRET}}}}}", "5 attributes.client.auth.access_token_request_data.password: must not be written here: write {env: NAME} and set NAME in the environment"),
    (AUTH, f"auth: {{type: bearer, token: {{env: '{SECRET}!'}}}}", "5 attributes.client.auth.token.env: must be the name of an environment variable"),
    (AUTH, "auth: {type: bearer, token: {env: A, secret: b}}", "5 attributes.client.auth.token: must be {env: NAME} or {secret: a.path.in.dlt.secrets}"),
    (CLIENT, f"{CLIENT}\n    headers: {{Authorization: Bearer {SECRET}}}", "5 attributes.client.headers.Authorization: must not be written here: write {env: NAME} and set NAME in the environment"),
    (CLIENT, f"base_url: https://me:{SECRET}@api.example.com", "4 attributes.client.base_url: must be a URL without user, query and fragment: credentials belong in `client.auth`"),
    (PATH, f"{PATH}\n        params: {{api_key: {SECRET}}}", f"13 {USERS}.endpoint.params.api_key: is a secret by its name: write client.auth {{type: api_key, name: api_key, location: query}} instead"),
    # Consistency
    ("    primary_key: id\n", "", f"9 {USERS}.primary_key: is required, since rows are merged by it; without a key, write `write_disposition: replace`"),
    (f"data_selector: data, {PAGINATOR}", "data_selector: data", f"11 {USERS}.endpoint.paginator: is required: a `type` of offset, page_number, cursor, json_link, json_response, header_link, header_cursor, single_page"),
    ("data_selector: data, ", "", f"11 {USERS}.endpoint.data_selector: is required: the path of the records in a response, or `$` for a bare list"),
    (NAME, f"{NAME}\n      write_disposition: append", f"11 {USERS}.write_disposition: append needs `endpoint.incremental` with a `cursor_path`: otherwise a window that is loaded twice has duplicate rows"),
    (NAME, f"{NAME}\n      write_disposition: append\n      description: |\n        x", f"11 {USERS}.write_disposition: append needs `endpoint.incremental` with a `cursor_path`: otherwise a window that is loaded twice has duplicate rows"),
    (f"{NAME}\n      endpoint:\n        {PATH}", f"{NAME}\n      write_disposition: append\n      endpoint: {{incremental: {{start_param: s}}}}", f"11 {USERS}.write_disposition: append needs `endpoint.incremental` with a `cursor_path`: otherwise a window that is loaded twice has duplicate rows"),
    (f"{NAME}\n      endpoint:\n        {PATH}", f"{NAME}\n      write_disposition: replace\n      endpoint: {{incremental: {{start_param: s}}}}", f"11 {USERS}.write_disposition: replace with `incremental` would keep the last window only: write merge or append"),
    (f"{PATH}\n  {PARTITIONS}", INCREMENTAL + "{start_param: s}", f"13 {USERS}.endpoint.incremental: needs `partitions`, such as {{cadence: daily, start: 2026-10-01}}"),
    (PATH, INCREMENTAL + "{cursor_path: at}", f"13 {USERS}.endpoint.incremental: must say how the API filters by time: `start_param`, `end_param`, or {{start}} and {{end}} in `params`"),
    (PATH, INCREMENTAL + "{start_param: s, end_param: s}", f"13 {USERS}.endpoint.incremental.end_param: is the same as `start_param`: a parameter has one value"),
    (PATH, INCREMENTAL + "{start_param: s}\n        params: {s: 1}", f"14 {USERS}.endpoint.params.s: is set to a bound of the window by `incremental`: remove it here, or there"),
    (PATH, f"{PATH}\n        params: {{q: 'x > {{start}}'}}", f"13 {USERS}.endpoint.params.q: contains {{start}} or {{end}}, which need `endpoint.incremental`"),
    # Placeholders
    (PATH, f"{PATH}\n        params: {{q: 'x > {{strat}}'}}", f"13 {USERS}.endpoint.params.q: unknown placeholder {{strat}}; did you mean {{start}}?"),
    (PATH, f"{PATH}\n        params: {{q: 'at{{END}}'}}", f"13 {USERS}.endpoint.params.q: unknown placeholder {{END}}; did you mean {{end}}?"),
    (PATH, f"{PATH}\n        params: {{q: '{{ start }}'}}", f"13 {USERS}.endpoint.params.q: unknown placeholder {{ start }}; did you mean {{start}}?"),
    (PATH, f"{PATH}\n        params: {{q: 'id:{{user_id}}'}}", f"13 {USERS}.endpoint.params.q: unknown placeholder {{user_id}}; allowed: {{start}}, {{end}}"),
    (PATH, f"{PATH}\n        params: {{q: '${{HOME}}'}}", f"13 {USERS}.endpoint.params.q: unknown placeholder {{HOME}}; allowed: {{start}}, {{end}}"),
    (PATH, f"{PATH}\n        params: {{q: '{{incremental.start_value}}'}}", f"13 {USERS}.endpoint.params.q: dlt's placeholder {{incremental...}} is not supported: write {{start}} or {{end}} in `params`"),
    (PATH, "path: /v1/users/{id}", f"12 {USERS}.endpoint.path: unknown placeholder {{id}}; {{start}} and {{end}} are allowed in `params` only"),
    (PATH, "path: /v1/users/{start}", f"12 {USERS}.endpoint.path: unknown placeholder {{start}}; {{start}} and {{end}} are allowed in `params` only"),
    # Code
    ("attributes:\n", "template_vars_module: os\nattributes:\n", "2 template_vars_module: is not supported, since it runs code; define the assets in Python instead"),
    ("attributes:\n", "post_processing: {assets: []}\nattributes:\n", "2 post_processing: is not supported, since it runs code; define the assets in Python instead"),
    (PATH, "path: !!python/object/apply:os.system ['true']", f"12 {USERS}.endpoint.path: the YAML tag python/object/apply:os.system is not supported"),
    # YAML
    (PATH, "path: [", "14: while parsing a flow sequence expected ',' or ']', but got '<stream end>'"),
    (PATH, "path: a: b", "12: mapping values are not allowed here"),
    (NAME, f"{NAME}\n      name: again", f"10 {USERS}.name: duplicate key, again on line 11"),
    (NAME, f"{NAME}\n      5: x", f"11 {USERS}.?: a key must be text: put it in quotes"),
    (NAME, f"{NAME}\n      description: {'9' * 5000}", f"11 {USERS}.description: cannot be read as int: put it in quotes"),
    (PATH, f"{PATH}\n        params: {{operator: =}}", f"13 {USERS}.endpoint.params.operator: cannot be read as value: put it in quotes"),
    (PATH, f"{PATH}\n        params: {{=: x}}", f"13 {USERS}.endpoint.params.?: a key must be text: put it in quotes"),
    (NAME, f'{NAME}\n      description: "\\ud800"', f"11 {USERS}.description: contains half of a character (\\ud800 to \\udfff)"),
    (PATH, f'{PATH}\n        params: {{"\\ud800": x}}', f"13 {USERS}.endpoint.params.?: a key must be text: put it in quotes"),
    (PATH, "path: !!timestamp x", f"12 {USERS}.endpoint.path: the YAML tag timestamp is not supported"),
    (PATH, "path: &a /v1\n        data_selector: *a", "13: aliases (*name) are not supported: repeat the value, or use `resource_defaults`"),
    (PATH, "<<: {path: x}", f"12 {USERS}.endpoint.?: a key must be text: put it in quotes"),
    (PARTITIONS, f"{PARTITIONS}\n---\na: 1", "14: expected a single document in the stream but found another document"),
    (PATH, "path: \x00", "12: contains a character that YAML does not allow"),
    (PATH, 'path: "\\U00110000"', "12: contains an escape (\\U...) for a character that does not exist"),
]  # fmt: skip


@pytest.mark.parametrize(("old", "new", "expected"), WRONG)
def test_mistake_is_reported_in_one_line(tmp_path: Path, old: str, new: str, expected: str) -> None:
    assert problems(write(tmp_path, edited(old, new))) == [expected]


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
    (b"type: analytics_assets.components.RestApi", "1 attributes: is required: a mapping with the keys client, partitions, resource_defaults, resources, sandbox, schedule"),
    (b"type: analytics_assets.components.RestApi\nattributes:", "2 attributes: is required: a mapping with the keys client, partitions, resource_defaults, resources, sandbox, schedule"),
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
    said = f" the folder's name, {api!r}, names the API: it must be lower-case snake_case of at most 60 characters"
    (line,) = problems(write(tmp_path, BASE, api=api))
    assert line.lstrip("1:").startswith(said)
