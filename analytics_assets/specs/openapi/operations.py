"""The list endpoints of an OpenAPI document: operations whose response holds records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.specs.openapi.schemas import Schema, Schemas

RECORD_NAMES = (
    "data", "items", "results", "records", "value", "values", "entries", "rows", "list", "content", "elements",
    "objects", "result", "hits", "features", "resources", "documents", "nodes", "edges",
)  # fmt: skip
MAX_ENVELOPE_FIELDS = 6
PARAMETER = re.compile(r"\{([^{}]+)\}")


@dataclass(frozen=True)
class Parameter:
    """A parameter of an operation.

    Attributes:
        name: Its name; that of a field in `deepObject` style is `page[size]`.
        location: query, path, header or cookie.
        schema: Its schema.
        required: Whether requests must have it.
        description: Its description.
        example: An example of its value.
    """

    name: str
    location: str
    schema: Schema
    required: bool = False
    description: str = ""
    example: Any = None


@dataclass(frozen=True)
class Operation:
    """A GET whose response holds records.

    Attributes:
        path: The path below the server's URL.
        raw: The operation, as the document has it.
        parameters: Its parameters, with those of its path.
        selector: Path of the records in a response.
        alternatives: Paths of other lists of objects in a response.
        record: Schema of a record.
        envelope: Fields of the response besides the records, by their paths.
        headers: Names of the response's headers.
        has_schema: Whether the document describes the response.
    """

    path: str
    raw: Mapping[str, Any]
    parameters: tuple[Parameter, ...]
    selector: str
    record: Schema
    alternatives: tuple[str, ...] = ()
    envelope: Mapping[tuple[str, ...], Schema] = field(default_factory=dict)
    headers: tuple[str, ...] = ()
    has_schema: bool = True

    @property
    def operation_id(self) -> str:
        """The `operationId`, or an empty text."""
        return str(self.raw.get("operationId") or "")

    @property
    def path_parameters(self) -> list[str]:
        """The names in the path, in its order."""
        return PARAMETER.findall(self.path)

    def at(self, location: str) -> list[Parameter]:
        """The parameters of a location."""
        return [each for each in self.parameters if each.location == location]


def list_operations(document: Mapping[str, Any], schemas: Schemas) -> Iterator[Operation]:
    """The GET operations with records in their response, and those whose response the document does not describe."""
    paths = document.get("paths")
    for path, node in paths.items() if isinstance(paths, Mapping) else ():
        item, _ = schemas.follow(node)
        raw, _ = schemas.follow(item.get("get"))
        if not raw:
            continue
        response, _ = schemas.follow(_success(raw.get("responses")))
        headers = response.get("headers")
        parameters = tuple(_parameters(schemas, item.get("parameters"), raw.get("parameters")))
        names = tuple(map(str, headers)) if isinstance(headers, Mapping) else ()
        content = _json_content(response.get("content"))
        schema = schemas.resolve(content.get("schema")) if content else None
        if schema is None:
            continue
        if not schema.types:
            if not _is_detail(str(path)):
                yield Operation(str(path), raw, parameters, "$", Schema(), headers=names, has_schema=False)
            continue
        found = _lists(schemas, schema, str(path))
        if found:
            steps, record = found[0]
            yield Operation(
                path=str(path),
                raw=raw,
                parameters=parameters,
                selector=json_path(steps) if steps else "$",
                alternatives=tuple(json_path(each) for each, _ in found[1:]),
                record=record,
                envelope={} if not steps else dict(schemas.fields(schema)),
                headers=names,
            )


def json_path(steps: Sequence[str]) -> str:
    """The JSONPath of a field."""
    if all(re.fullmatch(r"[^.\[\]*'\"$\s]+", step) for step in steps):
        return ".".join(steps)
    return "$" + "".join(f"['{step}']" if "'" not in step else f'["{step}"]' for step in steps)


def _success(responses: Any) -> Any:
    if not isinstance(responses, Mapping):
        return None
    by_status = {str(status): response for status, response in responses.items()}
    return next((by_status[status] for status in ("200", "2XX", "2xx", "default") if status in by_status), None)


def _json_content(content: Any) -> Mapping[str, Any]:
    if not isinstance(content, Mapping):
        return {}
    types = sorted(content, key=lambda name: str(name).partition(";")[0] != "application/json")
    for name in types:
        if re.match(r"application/([\w.-]+\+)?json|text/json|\*/\*", str(name)) and isinstance(content[name], Mapping):
            found: Mapping[str, Any] = content[name]
            return found
    return {}


def _parameters(schemas: Schemas, *lists: Any) -> Iterator[Parameter]:
    """The parameters of a path and of its operation, which replace those of the same name."""
    raw: dict[tuple[str, str], Mapping[str, Any]] = {}
    for each in lists:
        for node in each if isinstance(each, list) else ():
            parameter, _ = schemas.follow(node)
            if isinstance(parameter.get("name"), str) and isinstance(parameter.get("in"), str):
                raw[parameter["name"], parameter["in"]] = parameter
    for (name, location), parameter in raw.items():
        content = parameter.get("content")
        schema = schemas.resolve(parameter.get("schema") or _json_content(content).get("schema"))
        names = {name: schema}
        if location == "query" and schema.is_object and parameter.get("style") == "deepObject":
            names = {f"{name}[{key}]": schemas.resolve(node) for key, node in schema.properties.items()}
        for full_name, own in names.items():
            yield Parameter(
                name=full_name,
                location=location,
                schema=own,
                required=parameter.get("required") is True and full_name == name,
                description=str(parameter.get("description") or own.description or ""),
                example=parameter.get("example"),
            )


def _records(schemas: Schemas, schema: Schema, *, depth: int = 3) -> Iterator[tuple[tuple[str, ...], Schema]]:
    """The lists of objects in a response, by their paths."""
    if schema.is_array:
        record = schemas.resolve(schema.items)
        if record.is_object or (record.is_remote and not record.types):
            yield (), record
        return
    if schema.is_object and depth:
        for name, node in schema.properties.items():
            inner = schemas.resolve(node)
            yield from (((name, *path), record) for path, record in _records(schemas, inner, depth=depth - 1))


def _lists(schemas: Schemas, schema: Schema, path: str) -> list[tuple[tuple[str, ...], Schema]]:
    """The lists of objects that can be the records, the most probable first.

    A response that is one record may have lists too. So a list must have the name of the resource or a usual one, or
    be the only one in a small object without an id.
    """
    found = list(_records(schemas, schema))
    if _is_detail(path):
        return [each for each in found if not each[0]]
    named = sorted(
        ((rank, each) for each in found if (rank := _rank(each[0], path)) is not None), key=lambda pair: pair[0]
    )
    if named or len(found) != 1 or len(found[0][0]) != 1:
        return [each for _, each in named]
    is_small = len(schema.properties) <= MAX_ENVELOPE_FIELDS and "id" not in schema.properties
    return found if is_small else []


def _rank(steps: Sequence[str], path: str) -> tuple[int, ...] | None:
    """The order of a list: with the name of the resource, with a usual name, then by depth. None for other names."""
    if not steps:
        return (0,)
    literals = [part for part in path.strip("/").split("/") if "{" not in part]
    if literals and plain(steps[-1]) == plain(literals[-1]):
        return 1, len(steps)
    name = steps[-1].lower()
    return (2, len(steps), RECORD_NAMES.index(name)) if name in RECORD_NAMES else None


def plain(name: str) -> str:
    """The name in lower case, without separators: to compare `dagRuns` with `dag_runs`."""
    return re.sub(r"[^a-z0-9]", "", name.lower())


def _is_detail(path: str) -> bool:
    return path.rstrip("/").endswith("}")
