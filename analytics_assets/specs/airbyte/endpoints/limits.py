"""Rate limits and concurrency of a manifest as keys of `client`, and keys of a manifest that are not known."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from analytics_assets.specs.airbyte.coverage.check import field_problems
from analytics_assets.specs.airbyte.endpoints.authenticators import duration_seconds
from analytics_assets.specs.airbyte.renderer import Renderer, Scope
from analytics_assets.specs.airbyte.settings import Settings
from analytics_assets.specs.airbyte.templates import NotExpressibleError, expression, is_template

MAX_CONCURRENCY = 64
CONVERTED = frozenset({
    "type", "version", "check", "description", "definitions", "spec", "streams", "dynamic_streams", "api_budget",
    "concurrency_level", "max_concurrent_async_job_count",
})  # fmt: skip
WITHOUT_EFFECT = frozenset({"metadata", "schemas", "$schema", "$parameters", "stream_groups"})


def convert_limits(manifest: Mapping[str, Any], settings: Settings, skip: Callable[..., None]) -> dict[str, Any]:
    """The keys of `client` that limit requests.

    Args:
        manifest: The manifest.
        settings: Its settings.
        skip: Records what is not carried; `changes_rows` is whether it changes rows.
    """
    client: dict[str, Any] = {}
    for part in ("spec", "api_budget", "concurrency_level"):
        for problem in field_problems(manifest.get(part), part):
            skip(problem.what, changes_rows=problem.changes_rows)
    budget = manifest.get("api_budget")
    policies = budget.get("policies") if isinstance(budget, Mapping) else None
    rates: list[float] = []
    for policy in policies if isinstance(policies, list) else []:
        found = list(_rates(policy)) if isinstance(policy, Mapping) and _is_of_all_requests(policy) else []
        rates += found
        if not found and isinstance(policy, Mapping) and policy.get("type") != "UnlimitedCallRatePolicy":
            skip(
                "a rate limit of a part of the requests: set `client.max_requests_per_second` if it is needed",
                changes_rows=False,
            )
    if rates:
        client["max_requests_per_second"] = min(rates)
    level = manifest.get("concurrency_level")
    if isinstance(level, Mapping):
        if concurrency := _concurrency(level.get("default_concurrency"), settings):
            client["max_concurrency"] = concurrency
        else:
            skip("the number of concurrent requests: set `client.max_concurrency` if it is needed", changes_rows=False)
    if "max_concurrent_async_job_count" in manifest:
        skip("the number of asynchronous jobs: jobs are not supported", changes_rows=False)
    for name in sorted(map(str, manifest.keys() - CONVERTED - WITHOUT_EFFECT)):
        skip(f"the key {name[:100]}, which is not known", changes_rows=True)
    return client


def _is_of_all_requests(policy: Mapping[str, Any]) -> bool:
    matchers = policy.get("matchers")
    return not matchers or any(
        isinstance(each, Mapping)
        and each.get("url_path_pattern") in (None, "", ".*", "/.*")
        and not each.get("params")
        and not each.get("headers")
        for each in (matchers if isinstance(matchers, list) else [])
    )


def _rates(policy: Mapping[str, Any]) -> Iterator[float]:
    """The requests per second of each limit."""
    listed = policy.get("rates")
    pairs = [(each.get("limit"), each.get("interval"))
             for each in (listed if isinstance(listed, list) else []) if isinstance(each, Mapping)]  # fmt: skip
    for limit, interval in [*pairs, (policy.get("call_limit"), policy.get("period"))]:
        seconds = duration_seconds(interval)
        if type(limit) is int and limit > 0 and seconds > 0 and (rate := round(limit / seconds, 4)) > 0:
            yield rate


def _concurrency(value: Any, settings: Settings) -> int | None:
    if is_template(value):
        try:
            part = expression(value)
        except NotExpressibleError:
            return None
        found = Renderer(settings, Scope()).setting(part) if part else None
        value = found[1] if found else None
    return min(value, MAX_CONCURRENCY) if type(value) is int and value > 0 else None
