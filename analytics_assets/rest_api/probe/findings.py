"""Findings: what probing shows about a resource. No finding contains a secret; only `sample` has values of records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import yaml
from pydantic import BaseModel

from analytics_assets.rest_api.config import ResolvedResource


@dataclass(frozen=True)
class Problem:
    """A wrong setting.

    Attributes:
        message: What is wrong, and how it shows.
        fix: Keys of the resource that correct it; None if the correction is not known.
        client_fix: Keys of `client` that correct it.
    """

    message: str
    fix: Mapping[str, Any] | None = None
    client_fix: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class ColumnFinding:
    """A field of the records.

    Attributes:
        name: The name of its column.
        data_type: The type that its column gets.
        declared: Whether the YAML declares the column.
        proposed: The keys to declare it with, if another type fits better.
        nulls: Records without a value.
    """

    name: str
    data_type: str
    declared: bool = False
    proposed: Mapping[str, Any] | None = None
    nulls: int = 0


@dataclass(frozen=True)
class Estimate:
    """What a read costs.

    Attributes:
        rows: Rows.
        requests: Requests.
        seconds: Time, from the measured time of a request, the parallel requests and the rate limit.
        basis: What is measured, and what is assumed.
    """

    rows: int
    requests: int
    seconds: float
    basis: str


@dataclass
class ResourceFindings:
    """What probing shows about one resource.

    Attributes:
        name: The resource: `payroll/employees`.
        request: Method and URL, without query.
        credentials: What the request is signed with, by name.
        parent: For a child, which parent's row the requests were built from.
        status: Status of the first response; None if there was none.
        rows: Rows of the first page.
        body: The shape of the first response: names and types, no values.
        data_selector: Where the records are.
        paging: Whether the paginator moves on.
        end: How the read will end.
        total: Rows as the API counts them; None if it does not.
        primary_key: Whether the key is present and unique in the rows that were read.
        cursor: The cursor field, and how it is written.
        window: Whether the parameters of the window are honoured.
        columns: The fields of the records.
        rate_limits: What the headers say about the rate limit.
        estimate: What a full refresh costs; None if the API names no total and the read has more pages.
        problems: Wrong settings.
        notes: What a person should know, and is no mistake.
        requests: Requests that were sent.
        sample: Rows of the first page, with fields of `exclude` and `hash` masked.
    """

    name: str
    request: str = ""
    credentials: str = ""
    parent: str = ""
    status: int | None = None
    rows: int | None = None
    body: str = ""
    data_selector: str = ""
    paging: str = ""
    end: str = ""
    total: int | None = None
    primary_key: str = ""
    cursor: str = ""
    window: str = ""
    columns: list[ColumnFinding] = field(default_factory=list)
    rate_limits: list[str] = field(default_factory=list)
    estimate: Estimate | None = None
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    requests: int = 0
    sample: list[dict[str, Any]] = field(default_factory=list, repr=False)

    @property
    def fix(self) -> dict[str, Any]:
        """The keys of the resource that correct all problems whose correction is known."""
        return merge_fixes(*(problem.fix for problem in self.problems if problem.fix))

    @property
    def client_fix(self) -> dict[str, Any]:
        """The keys of `client` that correct problems."""
        return merge_fixes(*(problem.client_fix for problem in self.problems if problem.client_fix))


def merge_fixes(*fixes: Mapping[str, Any]) -> dict[str, Any]:
    """Keys of a resource together; those of `endpoint`, `params` and `columns` one by one."""
    merged: dict[str, Any] = {}
    for fix in fixes:
        for key, value in fix.items():
            is_shared = key in ("endpoint", "params", "columns") and isinstance(merged.get(key), Mapping)
            merged[key] = merge_fixes(merged[key], value) if is_shared else value
    return merged


def with_fix(resource: ResolvedResource, fix: Mapping[str, Any]) -> ResolvedResource:
    """The resource with other keys, which are validated as those of the YAML."""
    fields, endpoint = _fields(resource), _fields(resource.endpoint)
    columns = {**fields["columns"], **fix.get("columns", {})}
    params = {**endpoint["params"], **fix.get("endpoint", {}).get("params", {})}
    endpoint |= fix.get("endpoint", {})
    endpoint["params"] = {name: value for name, value in params.items() if value is not None}
    changed = {**fields, **fix, "columns": columns, "endpoint": endpoint}
    if isinstance(key := changed["primary_key"], str):
        changed["primary_key"] = (key,)
    return ResolvedResource.model_validate(changed)


def with_endpoint(resource: ResolvedResource, **changes: Any) -> ResolvedResource:
    """The resource with other values of its endpoint's fields, which are valid already."""
    return resource.model_copy(update={"endpoint": resource.endpoint.model_copy(update=changes)})


def _fields(model: BaseModel) -> dict[str, Any]:
    """The values of a model by their keys, models among them."""
    return {info.alias or name: getattr(model, name) for name, info in type(model).model_fields.items()}


def as_yaml(keys: Mapping[str, Any]) -> str:
    """Keys as YAML to paste."""
    text: str = yaml.safe_dump(_plain(keys), sort_keys=False, allow_unicode=True, default_flow_style=None, width=100)
    return text.rstrip()


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _plain(child) for key, child in value.items()}
    return [_plain(child) for child in value] if isinstance(value, (list, tuple)) else value
