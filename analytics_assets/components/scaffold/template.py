"""The text of a `defs.yaml` to start from, for each kind of authentication and paginator."""

from __future__ import annotations

from collections.abc import Mapping

TEMPLATE = """\
# The API {api}: each resource below is the asset {api}/<resource> and a table of the same name.
type: {type}
attributes:
  client:
    base_url: {{env: {prefix}_BASE_URL}}          # or a literal URL
    auth:                                       # oauth2, login, api_key, bearer or http_basic; or a list
{auth}
  resource_defaults:
    primary_key: id
    write_disposition: merge                    # merge, replace or append
    endpoint:
      data_selector: data                       # path of the records in a response; $ if it is a bare list
{paginator}
  resources:
    - name: items
      # exclude: [ssn, contact.phone]             # fields that are never loaded
      # hash: {{email: {{env: {prefix}_HASH_SALT}}}}   # fields that are loaded as HMAC-SHA-256
      endpoint:
        path: /v1/items
        # To load time windows, if the API can filter by time:
        # incremental: {{cursor_path: updated_at, start_param: updated_from, end_param: updated_to, format: iso8601}}
        # A search by POST:
        # method: POST
        # json: {{filter: {{status: active}}}}
        # One request for each value of a list:
        # params: {{region: "{{region}}"}}
        # for_each: {{region: [eu, us]}}
        # Responses in JSON Lines (jsonl) or CSV:
        # format: csv
        # data_selector: $
    # A child, with one request for each row of items:
    # - name: notes
    #   primary_key: [_items_id, id]
    #   include_from_parent: [id]
    #   endpoint:
    #     path: /v1/items/{{resources.items.id}}/notes
    #     error_handler: {{response_actions: [{{status_code: 404, action: ignore}}]}}  # deleted items
  # The time windows of resources with `incremental`:
  # partitions: {{cadence: daily, start: 2026-10-01}}
"""

AUTH: Mapping[str, str] = {
    "oauth2": """\
      type: oauth2
      client_id: {{env: {prefix}_CLIENT_ID}}      # the names of variables; secrets are set in the environment
      client_secret: {{env: {prefix}_CLIENT_SECRET}}
      token_url: {{env: {prefix}_TOKEN_URL}}
      # refresh_token: {{env: {prefix}_REFRESH_TOKEN}}
      # client_auth: basic                        # body, basic or json
      # scope: read""",
    "login": """\
      type: login
      request:
        path: /auth/login
        json:
          user: {{env: {prefix}_USER}}            # the names of variables; secrets are set in the environment
          password: {{env: {prefix}_PASSWORD}}
      token_path: access_token                  # path of the token in the response
      # expires_path: expires_in                  # path of its lifetime in seconds
      # header: X-Auth-Token                      # by default Authorization: Bearer""",
    "api_key": """\
      type: api_key
      name: X-Api-Key                           # name of the header or of the query parameter
      api_key: {{env: {prefix}_API_KEY}}          # the name of a variable; secrets are set in the environment
      location: header                          # header, query, cookie or body
      # prefix: "Token "                          # text before the key in a header""",
    "bearer": """\
      type: bearer
      token: {{env: {prefix}_API_TOKEN}}          # the name of a variable; secrets are set in the environment""",
    "http_basic": """\
      type: http_basic
      username: {{env: {prefix}_USER}}            # the names of variables; secrets are set in the environment
      password: {{env: {prefix}_PASSWORD}}""",
}

PAGINATORS: Mapping[str, str] = {
    "offset": """\
      paginator: {type: offset, limit: 100}     # offset, page_number, cursor, json_link, header_link, ...""",
    "page_number": """\
      paginator:
        type: page_number
        start_from_page: 1                      # number of the first page
        # page_param: page
        # limit: 100
        # limit_param: per_page
        # total_path: meta.total_pages            # path of the number of pages
        # total_rows_path: meta.total             # path of the number of rows""",
    "cursor": """\
      paginator:
        type: cursor
        cursor_param: page_token                # query parameter of the cursor
        cursor_path: next_page_token            # path of the next cursor in a response
        # limit: 100
        # limit_param: limit
        # has_more_path: has_more                 # path of a flag that is true if there are more pages""",
    "json_link": """\
      paginator:
        type: json_link
        next_url_path: links.next               # path of the next page's URL in a response
        # total_rows_path: meta.total             # path of the number of rows""",
    "header_link": """\
      paginator:
        type: header_link
        # links_next_key: next                    # relation of the link in the header Link
        # total_rows_header: X-Total-Count        # header with the number of rows""",
    "header_cursor": """\
      paginator:
        type: header_cursor
        cursor_key: X-Next-Cursor               # header of the next cursor
        cursor_param: cursor                    # query parameter of the cursor""",
    "single_page": """\
      paginator: single_page                    # one response holds all rows""",
}


def render(api: str, type_name: str, *, auth: str = "bearer", paginator: str = "offset") -> str:
    """The text of the file.

    Args:
        api: The name of the API.
        type_name: The name of the component.
        auth: A kind of authentication.
        paginator: A kind of paginator.
    """
    prefix = api.upper()
    return TEMPLATE.format(
        api=api, type=type_name, prefix=prefix, auth=AUTH[auth].format(prefix=prefix), paginator=PAGINATORS[paginator]
    )
