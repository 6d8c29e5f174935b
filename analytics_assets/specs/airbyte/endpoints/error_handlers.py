"""Error handlers of a manifest as `error_handler` of a defs.yaml."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from jinja2 import nodes

from analytics_assets.specs.airbyte.templates import NotExpressibleError, constant, expression, is_template, path_of

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
        if isinstance(retries, (int, str)) and str(retries).isdecimal():
            handler["max_retries"] = max(handler.get("max_retries", 0), min(int(retries), MAX_RETRIES))
        elif retries is not None:
            lost.append(("the number of retries, which is not a constant", False))
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
    """Add the actions of one filter. It matches a response by its status, by a text in it, or by a predicate."""
    action = ACTIONS.get(str(response_filter.get("action", "")).upper())
    changes_rows = action in ("ignore", None)
    if action is None:
        lost.append((f"the action {response_filter.get('action')} for responses", changes_rows))
        return
    matches: list[dict[str, Any]] = []
    codes = response_filter.get("http_codes")
    for code in codes if isinstance(codes, (list, set, tuple)) else []:
        if str(code).isdecimal() and 200 <= int(code) <= 599:
            matches.append({"status_code": int(code)})
        else:
            lost.append((f"action {action} for responses with the status {str(code)[:60]}", changes_rows))
    content, predicate = response_filter.get("error_message_contains"), response_filter.get("predicate")
    if content and not is_template(content):
        matches.append({"content": str(content)})
    elif content:
        lost.append((f"action {action} for responses with a text that is a template", changes_rows))
    if predicate and not _repeats_status(predicate, matches):
        if text := _text_of(predicate):
            matches.append({"content": text})
            if action == "ignore":
                what = f"the place of the text {text[:60]!r}: a first page that contains it anywhere has no rows"
                lost.append((what, False))
        else:
            lost.append((f"action {action} for responses that match a predicate", changes_rows))
    message = response_filter.get("error_message")
    for entry in matches:
        status = entry.get("status_code")
        if status == 200 or (action == "retry" and status in RETRIED):
            continue  # each page, or a status that is retried anyway
        entry["action"] = action
        if action == "fail" and isinstance(message, str) and message.strip() and not is_template(message):
            entry["message"] = " ".join(message.split())[:300]
        elif action == "fail" and "content" not in entry and status not in RETRIED:
            continue  # other statuses fail anyway
        if entry not in actions:
            actions.append(entry)


def _repeats_status(predicate: Any, matches: list[dict[str, Any]]) -> bool:
    """Whether a predicate compares the status with one that is matched anyway."""
    try:
        part = expression(predicate)
    except NotExpressibleError:
        return False
    node = part.node if part else None
    if not isinstance(node, nodes.Compare) or len(node.ops) != 1 or node.ops[0].op != "eq":
        return False
    is_status = path_of(node.expr) in (("response", "status_code"), ("response", "status"))
    return is_status and {"status_code": constant(node.ops[0].expr)} in matches


def _text_of(predicate: Any) -> str | None:
    """The longest text that a predicate compares a part of the response with."""
    try:
        part = expression(predicate)
    except NotExpressibleError:
        return None
    if part is None or part.node.find(nodes.Or) or part.node.find(nodes.Not) or isinstance(part.node, nodes.Or):
        return None
    texts = [
        value
        for each in [part.node, *part.node.find_all(nodes.Compare)]
        if isinstance(each, nodes.Compare) and each.ops[0].op in ("eq", "in")
        for value in (constant(each.expr), constant(each.ops[0].expr))
        if isinstance(value, str) and len(value) >= MIN_TEXT and not _is_key(each, value)
    ]
    return max(texts, key=len, default=None)


def _is_key(comparison: nodes.Compare, text: str) -> bool:
    """Whether `'text' in response` looks for a key, which pages can have too, and not for a sentence."""
    return path_of(comparison.ops[0].expr) == ("response",) and " " not in text


def _add_backoff(strategy: Mapping[str, Any], handler: dict[str, Any], lost: Lost) -> None:
    kind = strategy.get("type")
    seconds = strategy.get("backoff_time_in_seconds" if kind == "ConstantBackoffStrategy" else "factor", 5)
    header = strategy.get("header")
    if kind in ("ConstantBackoffStrategy", "ExponentialBackoffStrategy"):
        if isinstance(seconds, (int, float)) and 0 <= seconds <= MAX_SECONDS:
            handler.setdefault("backoff_factor", seconds)
        else:
            lost.append(("the waiting time before a retry, which is not a constant", False))
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
