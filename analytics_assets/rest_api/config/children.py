"""Children: resources whose requests are built from the rows of another resource, their parent, or from `for_each`."""

from __future__ import annotations

import graphlib
import re
from collections.abc import Iterator, Mapping, Sequence

from analytics_assets.rest_api.config.endpoints import EndpointConfig
from analytics_assets.rest_api.config.parsing.validation import KeyPath, Problem, nearest
from analytics_assets.rest_api.config.request import PARENT_PREFIX, ResolveParam, placeholders_by_key, placeholders_in
from analytics_assets.rest_api.config.resources import (
    Parent,
    Resource,
    contains,
    for_each_column,
    parent_column,
    replaces_parents,
)

FIELD = re.compile(r"[^.\[\]*'\"]+(\.[^.\[\]*'\"]+)*")
Reference = tuple[str, str]
"""A resource and a field of its rows."""


def references(endpoint: EndpointConfig) -> Iterator[tuple[KeyPath, str]]:
    """The placeholders `resources.<resource>.<field>` of an endpoint, each with its key below `endpoint`."""
    for key, name in placeholders_by_key(endpoint):
        if name.startswith(PARENT_PREFIX):
            yield key, name


def parse_reference(placeholder: str) -> Reference | None:
    """The resource and the field of `resources.<resource>.<field>`; None if it is something else."""
    name, _, field = placeholder.removeprefix(PARENT_PREFIX).partition(".")
    return (name, field) if name and FIELD.fullmatch(field) else None


def bind_resolve_params(endpoint: EndpointConfig) -> EndpointConfig:
    """The endpoint with dlt's parameters of type `resolve` as placeholders in its path."""
    path = endpoint.path or ""
    bound = {name: value for name, value in endpoint.params.items() if _is_bound(name, value, path)}
    if not bound:
        return endpoint
    for name, value in bound.items():
        path = path.replace(f"{{{name}}}", str(value))
    params = {name: value for name, value in endpoint.params.items() if name not in bound}
    return endpoint.model_copy(update={"path": path, "params": params})


def _is_bound(name: str, value: object, path: str) -> bool:
    return isinstance(value, ResolveParam) and f"{{{name}}}" in path


def resolve_parent(resource: Resource, resources: Sequence[Resource]) -> Parent | None:
    """The parent of a resource; None if it has none.

    Args:
        resource: A valid resource, with its defaults applied.
        resources: All resources of the API, with their defaults applied.
    """
    found = [parsed for _, name in references(resource.endpoint) if (parsed := parse_reference(name))]
    if not found:
        return None
    fields = tuple(dict.fromkeys(field for _, field in found))
    [parent] = [each for each in resources if each.name == found[0][0]]
    included = resource.include_from_parent or ()
    if replaces_parents(resource.replace_by, resource.endpoint.incremental):  # rows of a parent are found by columns
        included = tuple(dict.fromkeys((*included, *fields)))
    declared, incremental = parent.columns or parent.schema_ or {}, parent.endpoint.incremental
    time_formats = {name: column.format for name, column in declared.items() if column.format}
    if incremental and incremental.cursor_path:
        time_formats.setdefault(incremental.cursor_path, incremental.format)
    return Parent(
        name=parent.name,
        fields=fields,
        include_from_parent=included,
        time_formats={name: format for name, format in time_formats.items() if name in (*fields, *included)},
        cursor_path=incremental.cursor_path if incremental else None,
        cursor_format=incremental.format if incremental else "iso8601",
    )


def parent_problems(resources: Sequence[Resource]) -> Iterator[Problem]:
    """The problems of children, by the keys below `resources`.

    Args:
        resources: All resources of the API, with their defaults applied.
    """
    by_name = {resource.name: resource for resource in resources}
    parents: dict[str, tuple[str, KeyPath]] = {}
    for index, resource in enumerate(resources):
        found: dict[str, KeyPath] = {}
        fields: list[Reference] = []
        for key, placeholder in references(resource.endpoint):
            place = (index, "endpoint", *key)
            parsed = parse_reference(placeholder)
            if parsed is None:
                yield place, f"{{{placeholder}}} must be {{resources.<resource>.<field>}}"
            elif parsed[0] not in by_name:
                yield place, f"there is no resource {parsed[0]!r} in this file{nearest(parsed[0], by_name)}"
            else:
                found.setdefault(parsed[0], place)
                fields.append(parsed)
                parent, field = by_name[parsed[0]], parsed[1]
                messages = (*_field_problems(parent, field), *_masking_problems(parent, field, in_request=True))
                yield from ((place, message) for message in messages)
        if len(found) > 1:
            yield (
                list(found.values())[1],
                f"a resource has one parent, and this one names {' and '.join(found)}. Of a parent's own parent, name "
                "the column that `include_from_parent` adds to the parent's rows",
            )
        elif found:
            [(name, place)] = found.items()
            parents[resource.name] = name, place
        for name, value in resource.endpoint.params.items():
            if isinstance(value, ResolveParam):
                message = f"dlt's resolve parameter must be in the path, as {{{name}}}; elsewhere write '{value}'"
                yield (index, "endpoint", "params", name), message
        used = placeholders_in(resource.endpoint)
        for name in resource.endpoint.for_each or {}:
            if name not in used:
                message = f"is not used: write {{{name}}} in the path, `params`, `headers` or the body"
                yield (index, "endpoint", "for_each", name), message
        for name in sorted(resource.endpoint.values.keys() & (resource.endpoint.for_each or {}).keys()):
            yield (index, "endpoint", "values", name), "is a name of `for_each` too: remove one of the two"
        only_parent = by_name[next(iter(found))] if len(found) == 1 else None
        yield from (
            ((index, *key), message) for key, message in _child_problems(resource, only_parent, has_parent=bool(found))
        )
    yield from _cycles(parents)


def _cycles(parents: Mapping[str, tuple[str, KeyPath]]) -> Iterator[Problem]:
    try:
        graphlib.TopologicalSorter({name: [parent] for name, (parent, _) in parents.items()}).prepare()
    except graphlib.CycleError as error:
        cycle: list[str] = error.args[1]
        yield (
            parents[cycle[0]][1],
            f"is a cycle of parents ({' -> '.join(reversed(cycle))}): one of them must not depend on another",
        )


def _field_problems(parent: Resource, field: str) -> Iterator[str]:
    """A field that the parent does not declare, although it declares all or a similar one."""
    declared = dict(parent.columns or parent.schema_ or {})
    incremental = parent.endpoint.incremental
    known = [*declared, *(parent.primary_key or ())]
    if incremental and incremental.cursor_path:
        known.append(incremental.cursor_path)
    is_known = field in known or field.partition(".")[0] in known or field.startswith("_")
    if declared and not is_known and (parent.schema_ is not None or nearest(field, known)):
        yield f"{parent.name!r} declares no field {field!r}{nearest(field, known)}"


def _masking_problems(parent: Resource, field: str, *, in_request: bool) -> Iterator[str]:
    """A field that the parent's table does not have, or not as the API wrote it."""
    if path := next((path for path in parent.exclude if contains(path, field)), None):
        yield f"{field!r} is not in the table of {parent.name!r}, whose `exclude` drops {path!r}: remove one of the two"
    if in_request and (path := next((path for path in parent.hash if contains(path, field)), None)):
        yield (
            f"{field!r} is a hash in the table of {parent.name!r}, which the API does not know: name another field, or "
            f"remove {path!r} from its `hash`"
        )


def _child_problems(resource: Resource, parent: Resource | None, *, has_parent: bool) -> Iterator[Problem]:
    incremental, needs = resource.endpoint.incremental, "needs a parent: {resources.<resource>.<field>} in the request"
    follows = bool(incremental and incremental.from_parent)
    if not has_parent:
        if resource.include_from_parent:
            yield ("include_from_parent",), needs
        if resource.replace_by:
            yield ("replace_by",), needs
        if follows:
            yield ("endpoint", "incremental", "from_parent"), needs
    if resource.replace_by and incremental and not follows:
        yield (
            ("replace_by",),
            "would replace all rows of a parent by those of one window: remove it, or write "
            "`incremental: {from_parent: true}`",
        )
    elif resource.replace_by and (resource.write_disposition or "merge") != "merge":
        yield ("replace_by",), f"needs `write_disposition: merge`, not {resource.write_disposition}"
    if parent is None:
        yield from _column_problems(resource, "", ())
        return
    for number, field in enumerate(resource.include_from_parent or ()):
        messages = (*_field_problems(parent, field), *_masking_problems(parent, field, in_request=False))
        yield from ((("include_from_parent", number), message) for message in messages)
        for key in ("exclude", "hash"):
            if (column := parent_column(parent.name, field)) in getattr(resource, key):
                yield (
                    (key,),
                    f"{column!r} is not a field of the records, but added by `include_from_parent`: write {field!r} "
                    f"under `{key}` of {parent.name!r}, or remove it from `include_from_parent`",
                )
    if follows and not (parent.endpoint.incremental and parent.endpoint.incremental.cursor_path):
        yield (
            ("endpoint", "incremental", "from_parent"),
            f"needs a parent with `incremental.cursor_path`: {parent.name!r} does not say when a row changed",
        )
    yield from _column_problems(resource, parent.name, resource.include_from_parent or ())


def _column_problems(resource: Resource, parent: str, included: Sequence[str]) -> Iterator[Problem]:
    """Columns that `for_each` and `include_from_parent` both add, and a key of such columns that are not added."""
    columns = {_plain(parent_column(parent, field)) for field in included}
    for name in resource.endpoint.for_each or {}:
        if _plain(for_each_column(name)) in columns:
            yield (
                ("endpoint", "for_each", name),
                f"becomes the column _{name}, which `include_from_parent` adds too: give it another name",
            )
    if not parent or replaces_parents(resource.replace_by, resource.endpoint.incremental):
        return
    for number, field in enumerate(resource.primary_key or ()):
        if field.startswith(f"_{parent}_") and _plain(field) not in columns:
            missing = field.removeprefix(f"_{parent}_")
            yield ("primary_key", number), f"needs the parent's field: write `include_from_parent: [{missing}]`"


def _plain(name: str) -> str:
    return re.sub(r"\W|_", "", name).lower()
