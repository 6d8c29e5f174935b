"""The `defs.yaml` that `dg scaffold defs analytics_assets.components.RestApi NAME` writes."""

from __future__ import annotations

from typing import Any

from dagster.components import Scaffolder, ScaffoldRequest

TEMPLATE = """\
# The API {api}: each resource below is the asset {api}/<resource> and a table of the same name.
type: {type}
attributes:
  client:
    base_url: {{env: {prefix}_BASE_URL}}          # or a literal URL
    auth:                                       # oauth2, login, api_key, bearer or http_basic; or a list
      type: bearer
      token: {{env: {prefix}_API_TOKEN}}          # the name of a variable; secrets are set in the environment
  resource_defaults:
    primary_key: id
    write_disposition: merge                    # merge, replace or append
    endpoint:
      data_selector: data                       # path of the records in a response; $ if it is a bare list
      paginator: {{type: offset, limit: 100}}     # offset, page_number, cursor, json_link, header_link, ...
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


class RestApiScaffolder(Scaffolder[Any]):
    """Writes a small API to start from."""

    def scaffold(self, request: ScaffoldRequest[Any]) -> None:
        api = request.target_path.name
        request.target_path.mkdir(parents=True, exist_ok=True)
        (request.target_path / "defs.yaml").write_text(
            TEMPLATE.format(api=api, prefix=api.upper(), type=request.type_name)
        )
