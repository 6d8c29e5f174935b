"""The primary key: whether it is present and unique in the rows that were read, and which fields could be one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from typing import Any

from analytics_assets.rest_api.load.log import counted
from analytics_assets.rest_api.probe.state import Probe

MAX_PAIRED_FIELDS = 12
ID_NAMES = ("id", "uuid", "guid", "key", "code", "number", "slug", "name")


def check_key(probe: Probe) -> None:
    """Check the primary key; if it is missing or not unique, propose fields that are."""
    rows, resource = probe.trial.rows, probe.resource
    key = resource.primary_key
    own = [field for field in key if not field.startswith("_")]  # others are values of parents and of `for_each`
    if not rows or not own:
        probe.findings.primary_key = "no rows to check" if key else "none"
        return
    missing = {field: sum(row.get(field) is None for row in rows) for field in own}
    lacking = [
        f"{field!r} is null or missing in {count} of {len(rows)} rows" for field, count in missing.items() if count
    ]
    distinct = len(set(_values(rows, own)))
    if resource.write_disposition == "append":
        distinct = len(rows)
    if not lacking and distinct == len(rows):
        probe.findings.primary_key = f"{', '.join(key)}: unique in the {counted(len(rows), 'row')} read"
        return
    problem = " and ".join(lacking) or f"{', '.join(key)} has {distinct} values in {len(rows)} rows"
    probe.findings.primary_key = problem
    if lacking and resource.null_key == "skip" and all(count < len(rows) for count in missing.values()):
        probe.findings.notes.append(f"`primary_key`: {problem}; `null_key: skip` discards them")
        return
    others = [field for field in key if field.startswith("_")]
    proposed = next(unique_fields(rows, probe.resource.name), None)
    fix = None if proposed is None else _yaml([*others, *proposed])
    probe.report(f"`primary_key`: {problem}", fix)
    if fix:
        probe.findings.primary_key += f"; {', '.join(proposed or ())} is unique in the {len(rows)} rows read"


def unique_fields(rows: Sequence[dict[str, Any]], resource: str) -> Iterator[tuple[str, ...]]:
    """The fields, then the pairs of fields, that are present and unique in all rows, the likeliest first.

    Args:
        rows: The rows.
        resource: The name of the resource: `employee_id` is a likely key of `employees`.
    """
    if len(rows) < 2:
        return
    present = [name for name in rows[0] if all(type(row.get(name)) in (int, str) for row in rows)]
    present.sort(key=lambda name: _rank(name, resource))
    yield from ((name,) for name in present if len({row[name] for row in rows}) == len(rows))
    for pair in itertools.combinations(present[:MAX_PAIRED_FIELDS], 2):
        if len(set(_values(rows, pair))) == len(rows):
            yield pair


def _values(rows: Sequence[dict[str, Any]], fields: Sequence[str]) -> Iterator[str]:
    return (repr([row.get(field) for field in fields]) for row in rows)


def _rank(name: str, resource: str) -> tuple[int, int]:
    """Likely keys first: `id`, then the resource's own id, then other ids, then usual names of keys."""
    lower = name.lower().replace("-", "_")
    singular = resource.removesuffix("s")
    if lower == "id":
        return 0, 0
    if lower.startswith((singular, singular.replace("_", ""))):
        return 1, 0
    if lower.endswith(("_id", "id")) or lower in ID_NAMES:
        return 2, ID_NAMES.index(lower) if lower in ID_NAMES else 0
    return 3, 0


def _yaml(fields: list[str]) -> dict[str, Any]:
    return {"primary_key": fields[0] if len(fields) == 1 else fields}
