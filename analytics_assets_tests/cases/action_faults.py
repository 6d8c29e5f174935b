"""Responses that `response_actions` ignores, retries or fails, and headers of rate limits that are wrong."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from analytics_assets_tests.fake_api import Fault, faults
from analytics_assets_tests.harness.fault_injection import ALWAYS, PAGINATIONS, FaultCase

EVERY_PAGINATION = tuple(PAGINATIONS)
IGNORED = "`response_actions` ignores"


def actions(*items: Mapping[str, Any]) -> Mapping[str, Any]:
    """Keys of an endpoint with these actions and one retry."""
    return {"error_handler": {"response_actions": list(items), "max_retries": 1, "backoff_factor": 0}}


IGNORE_403 = actions({"status_code": 403, "action": "ignore"})
RETRY_403 = actions({"status_code": 403, "action": "retry"})
RETRY_TEXT = actions({"content": "try again later", "action": "retry"})
IGNORE_TEXT = actions({"content": "try again later", "action": "ignore"})
FAIL_TEXT = actions({"content": "try again later", "action": "fail", "message": "The account is locked."})

RATE_LIMITS: Mapping[str, Mapping[str, str]] = {
    "used up": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "30"},
    "used up until the year 2100": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "4102444800"},
    "reset in the past": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "946684800"},
    "nonsense": {"X-RateLimit-Remaining": "none", "RateLimit": '";r=;;t', "RateLimit-Policy": "="},
    "several quotas": {"RateLimit": '"second";r=0;t=1, "day";r=0;t=86400', "RateLimit-Policy": '"day";q=9;w=86400'},
}


def once_and_always(name: str, fault: Fault, error: str, endpoint: Mapping[str, Any]) -> list[FaultCase]:
    """A fault that a retry repairs, and one that it does not."""
    return [
        FaultCase(name=f"{name}, once", fault=fault, endpoint=endpoint, paginations=EVERY_PAGINATION),
        FaultCase(name=f"{name}, always", fault=fault, times=ALWAYS, error=error, endpoint=endpoint),
    ]


CASES: list[FaultCase] = [
    FaultCase(
        name="ignored status",
        fault=faults.status(403),
        error=IGNORED,
        endpoint=IGNORE_403,
        paginations=EVERY_PAGINATION,
    ),
    FaultCase(
        name="ignored error object",
        fault=faults.error_object(),
        error=IGNORED,
        endpoint=IGNORE_TEXT,
        paginations=EVERY_PAGINATION,
    ),
    FaultCase(
        name="text of an ignored error in a record",
        fault=faults.edit(lambda body: body["data"][0].update(note="try again later")),
        error=IGNORED,
        endpoint=IGNORE_TEXT,
    ),
    FaultCase(
        name="failed error object",
        fault=faults.error_object(),
        error=r"the API returned 200\. The account is locked\.",
        endpoint=FAIL_TEXT,
        paginations=EVERY_PAGINATION,
    ),
    *once_and_always("retried status", faults.status(403), r"403 \(fault 403\), after all retries", RETRY_403),
    *once_and_always("retried error object", faults.error_object(), "200, after all retries", RETRY_TEXT),
    *(
        FaultCase(name=f"rate limit {name}", fault=faults.headers(values), times=ALWAYS)
        for name, values in RATE_LIMITS.items()
    ),
]
