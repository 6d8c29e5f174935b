"""Error handlers of a manifest as `error_handler` of a defs.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import nodes

from analytics_assets.specs.airbyte.templates import NotExpressibleError, constant, expression, is_template

ACTIONS = {
    "IGNORE": "ignore",
    "RETRY": "retry",
    "RATE_LIMITED": "retry",
    "FAIL": "fail",
    "SUCCESS": "ignore",
    "REFRESH_TOKEN_THEN_RETRY": "retry",
}
RETRIED = frozenset({429, 500, 502, 503, 504})
MIN_TEXT = 4
MAX_RETRIES, MAX_SECONDS = 50, 3600
Lost = list[tuple[str, bool]]


def convert_error_handler(component: Any) -> tuple[dict[str, Any], Lost]:
    """The value of `error_handler`, and what is not carried with whether it changes rows."""
    handler: dict[str, Any] = {}
    actions: list[dict[str, Any]] = []
    lost: Lost = []
    for part in _handlers(component):
        if part.get("type") not in ("DefaultErrorHandler", None):
            lost.append((f"the error handler {part.get('class_name') or part.get('type')}", True))
            continue
        filters = part.get("response_filters")
        for response_filter in filters if isinstance(filters, list) else []:
            if isinstance(response_filter, Mapping):
                _add_actions(response_filter, actions, lost)
        retries = part.get("max_retries")
        if isinstance(retries, int) and not isinstance(retries, bool) and retries >= 0:
            handler["max_retries"] = max(handler.get("max_retries", 0), min(retries, MAX_RETRIES))
        strategies = part.get("backoff_strategies")
        for strategy in strategies if isinstance(strategies, list) else []:
            if isinstance(strategy, Mapping):
                _add_backoff(strategy, handler, lost)
    if actions:
        handler["response_actions"] = actions
    return handler, lost


def _handlers(component: Any) -> Iterator[Mapping[str, Any]]:
    if not isinstance(component, Mapping):
        return
    inner = component.get("error_handlers")
    if component.get("type") == "CompositeErrorHandler" or isinstance(inner, list):
        for each in inner if isinstance(inner, list) else []:
            yield from _handlers(each)
    else:
        yield component


def _add_actions(response_filter: Mapping[str, Any], actions: list[dict[str, Any]], lost: Lost) -> None:
    action = ACTIONS.get(str(response_filter.get("action", "")).upper())
    codes = response_filter.get("http_codes")
    statuses = [int(code) for code in codes if str(code).isdigit()] if isinstance(codes, (list, set, tuple)) else []
    content = response_filter.get("error_message_contains")
    changes_rows = action in ("ignore", None)
    if action is None:
        lost.append((f"the action {response_filter.get('action')} for responses", changes_rows))
        return
    predicate = response_filter.get("predicate")
    if predicate and not statuses and not content:
        content = _text_of(predicate)
    if predicate and not statuses and not content:
        lost.append((f"action {action} for responses that match a predicate", changes_rows))
        return
    if not statuses and not content:
        return
    listed: list[int | None] = [*statuses] or [None]
    for status in listed:
        entry: dict[str, Any] = {"status_code": status} if status is not None and 200 <= status <= 599 else {}
        if content and not is_template(content):
            entry["content"] = str(content)
        if (
            not entry
            or entry == {"status_code": 200}
            or (action == "retry" and entry == {"status_code": status} and status in RETRIED)
        ):
            continue  # a status that is retried anyway
        entry["action"] = action
        message = response_filter.get("error_message")
        if action == "fail" and isinstance(message, str) and message.strip() and not is_template(message):
            entry["message"] = " ".join(message.split())[:300]
        elif action == "fail" and "content" not in entry and status not in RETRIED:
            continue  # other statuses fail anyway
        if entry not in actions:
            actions.append(entry)


def _text_of(predicate: Any) -> str | None:
    """The longest text that a predicate compares a part of the response with."""
    try:
        part = expression(predicate)
    except NotExpressibleError:
        return None
    if part is None or part.node.find(nodes.Or) or part.node.find(nodes.Not) or isinstance(part.node, nodes.Or):
        return None
    compared = [part.node, *part.node.find_all(nodes.Compare)]
    texts = [
        value
        for each in compared
        if isinstance(each, nodes.Compare) and each.ops[0].op in ("eq", "in")
        for value in (constant(each.expr), constant(each.ops[0].expr))
        if isinstance(value, str) and len(value) >= MIN_TEXT
    ]
    return max(texts, key=len, default=None)


def _add_backoff(strategy: Mapping[str, Any], handler: dict[str, Any], lost: Lost) -> None:
    kind = strategy.get("type")
    seconds = strategy.get("backoff_time_in_seconds" if kind == "ConstantBackoffStrategy" else "factor", 5)
    header = strategy.get("header")
    if kind in ("ConstantBackoffStrategy", "ExponentialBackoffStrategy"):
        if isinstance(seconds, (int, float)) and 0 <= seconds <= MAX_SECONDS:
            handler.setdefault("backoff_factor", seconds)
    elif (
        kind in ("WaitTimeFromHeader", "WaitUntilTimeFromHeader")
        and isinstance(header, str)
        and not is_template(header)
    ):
        if header.lower() != "retry-after":
            format = "seconds" if kind == "WaitTimeFromHeader" else "epoch_s"
            handler.setdefault("backoff", {"wait_header": header, "format": format})
    else:
        lost.append((f"the waiting time of {strategy.get('class_name') or kind}", False))
