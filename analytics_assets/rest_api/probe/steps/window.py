"""The window: whether the API honours the parameters of `incremental`, by requests for narrow windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Any

from analytics_assets.rest_api.arrow.cursor import Cursor
from analytics_assets.rest_api.config import Incremental, ResolvedResource
from analytics_assets.rest_api.probe.findings import with_fix
from analytics_assets.rest_api.probe.session import TrialRead
from analytics_assets.rest_api.probe.state import Probe
from analytics_assets.rest_api.probe.steps.cursor import field_format, incremental_keys
from analytics_assets.rest_api.probe.steps.timestamps import parse
from analytics_assets.rest_api.windows import MICROSECOND, STEP, Window, ceil, floor, resolution

FORMATS = ("iso8601", "epoch_s", "epoch_ms", "date", "%Y-%m-%d %H:%M:%S")
# Names in use for the bounds of a filter by the time of the last change.
BOUND_PARAMS = (
    ("updated_from", "updated_to"), ("updated_since", "updated_until"), ("updated_after", "updated_before"),
    ("modified_since", "modified_until"), ("since", "until"), ("from", "to"), ("start", "end"),
    ("start_date", "end_date"),
)  # fmt: skip
EMPTY = Window(datetime(1971, 1, 1, tzinfo=timezone.utc), datetime(1971, 1, 2, tzinfo=timezone.utc))
LINE = "`endpoint.incremental`"


def check_window(probe: Probe, times: Sequence[datetime]) -> None:
    """Request a narrow window, and compare its rows with the cursors that were read.

    Args:
        probe: The probe.
        times: The cursors of the rows that were read.
    """
    incremental = probe.resource.endpoint.incremental
    if incremental is None or incremental.from_parent or not probe.trial.rows:
        return
    failure = _failure(probe, probe.resource, times)
    if failure is None:
        probe.findings.window = f"honoured: {_shown(probe, times)}"
        return
    for fix in _fixes(incremental, times):
        changed = with_fix(probe.resource, {"endpoint": {"incremental": fix}})
        if _failure(probe, changed, times) is None:
            fixed = {"endpoint": {"incremental": fix}, **_kept_format(probe, fix)}
            probe.report(f"{LINE}: {failure}", fixed)
            probe.findings.window = f"not honoured: {failure}; honoured with the correction below"
            return
    probe.findings.window = f"not honoured: {failure}"
    probe.report(
        f"{LINE}: {failure}. Correct the names and the format of the parameters, or remove `incremental`: then each "
        "load reads all rows"
    )


def narrow_window(times: Sequence[datetime], format: str) -> Window:
    """A window with the latest row that was read, as narrow as the format can write."""
    if not times:
        return EMPTY
    unit = resolution(format)
    unit = "second" if unit in ("microsecond", "millisecond") else unit  # APIs may round to seconds
    latest = max(times)
    return Window(floor(latest, unit), ceil(latest + MICROSECOND, unit))


def _failure(probe: Probe, resource: ResolvedResource, times: Sequence[datetime]) -> str | None:
    """How the API does not honour the window; None if it does."""
    incremental = resource.endpoint.incremental
    assert incremental
    window = narrow_window(times, incremental.format)
    trial = probe.session.read(resource, pages=1, window=window)
    if trial.error and not trial.pages:
        return str(trial.error).rstrip(".")
    if not times:
        return None if not trial.rows else _ignored(len(trial.rows))
    found = _times(probe, resource, trial)
    if found is None:
        return "the rows of a narrow window have no cursor"
    padded = Window(
        window.start - STEP[resolution(incremental.format)], window.end + STEP[resolution(incremental.format)]
    )
    outside = sum(not padded.start <= time < padded.end for time in found)
    if outside:
        return _ignored(outside, len(found))
    if max(times) not in found:
        return "a window with a row that was read before has no such row: the format, the unit or the zone is another"
    everything = all(padded.start <= time < padded.end for time in times)
    if everything and probe.session.read(resource, pages=1, window=EMPTY).rows:
        return _ignored(len(probe.trial.rows))
    return None


def _ignored(outside: int, rows: int | None = None) -> str:
    of = f"of {rows} rows" if rows else "rows"
    return f"{outside} {of} of a narrow window are outside of it: the API ignores the parameters"


def _times(probe: Probe, resource: ResolvedResource, trial: TrialRead) -> list[datetime] | None:
    """The cursors of the rows."""
    cursor = Cursor.of(resource)
    assert cursor
    values = [value for row in trial.rows if (value := cursor.nested_value(row)) is not None]
    return parse(values, field_format(probe, Cursor.of(probe.resource) or cursor))


def _fixes(incremental: Incremental, times: Sequence[datetime]) -> Iterator[dict[str, Any]]:
    """Other settings of `incremental`, the likeliest first: bounds, formats, then names of the parameters."""
    if times and incremental.start == "inclusive":
        yield incremental_keys(incremental, start="exclusive")
    if times and incremental.end == "exclusive" and resolution(incremental.format) == "day":
        yield incremental_keys(incremental, end="inclusive")
    for format in FORMATS:
        if format != incremental.format:
            yield incremental_keys(incremental, format=format)
    if incremental.start_param or incremental.end_param:
        for start, end in BOUND_PARAMS:
            if start != incremental.start_param:
                bounds = {"start_param": start, "end_param": end}
                yield incremental_keys(incremental, **{key: bounds[key] for key in bounds if getattr(incremental, key)})


def _kept_format(probe: Probe, fix: dict[str, Any]) -> dict[str, Any]:
    """The declaration of the cursor's column, if the records write it in another format than the parameters."""
    cursor = Cursor.of(probe.resource)
    if cursor is None or cursor.is_nested:
        return {}
    written = field_format(probe, cursor)
    if fix.get("format", "iso8601") == written:
        return {}
    return {"columns": {cursor.field: {"data_type": "timestamp", "format": written}}}


def _shown(probe: Probe, times: Sequence[datetime]) -> str:
    incremental = probe.resource.endpoint.incremental
    assert incremental
    if not times:
        return "a window without rows has none"
    width = narrow_window(times, incremental.format)
    seconds = (width.end - width.start).total_seconds()
    return f"a window of {seconds:.0f} s has only its rows"
