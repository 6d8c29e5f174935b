"""The shape of a stream: what distinguishes its requests and responses from those of others."""

from __future__ import annotations

from typing import Any

from analytics_assets_tests.specs.manifest_api.components import Component, parent_configs, routers_of


def requester_of(stream: Component) -> Component:
    """The requester of a stream."""
    requester = stream["retriever"].get("requester")
    return requester if isinstance(requester, dict) else {}


def shape_of(stream: Component) -> tuple[str, ...]:
    """Authentication, paginator, place of the records, partitions, window and method of a stream."""
    retriever = stream.get("retriever") or {}
    requester = retriever.get("requester") or {}
    return (
        f"auth {_kind(requester.get('authenticator'))}",
        f"pages {_paginator(retriever.get('paginator'))}",
        f"records {_selector(retriever.get('record_selector') or {})}",
        f"partitions {_partitions(stream)}",
        f"window {_window(stream.get('incremental_sync'))}",
        f"method {requester.get('http_method') or 'GET'}",
    )


def _kind(component: Any) -> str:
    kind = str(component.get("type", "custom")) if isinstance(component, dict) else "NoAuth"
    return kind.removesuffix("Authenticator")


def _paginator(paginator: Any) -> str:
    strategy = (paginator or {}).get("pagination_strategy") or {}
    if not strategy:
        return "none"
    option = paginator.get("page_token_option") or {}
    place = "link" if option.get("type") == "RequestPath" else str(option.get("inject_into") or "template")
    cursor = str(strategy.get("cursor_value") or "")
    source = next((f" of {name}" for name in ("headers", "last_record", "response") if name in cursor), "")
    return f"{strategy.get('type')}{source} in {place}"


def _selector(selector: Component) -> str:
    path = (selector.get("extractor") or {}).get("field_path") or []
    return "*" if "*" in path else str(len(path))


def _partitions(stream: Component) -> str:
    if "retriever" not in stream or not stream["retriever"].get("partition_router"):
        return "none"
    kinds = [str(router.get("type")).removesuffix("PartitionRouter") for router in routers_of(stream)]
    return " and ".join(kinds) + f" depth {_depth(stream)}"


def _depth(stream: Component) -> int:
    return max((1 + _depth(config["stream"]) for config in parent_configs(stream)), default=0)


def _window(sync: Any) -> str:
    if not isinstance(sync, dict):
        return "none"
    places = [str((sync.get(f"{bound}_time_option") or {}).get("inject_into", "-")) for bound in ("start", "end")]
    return f"{sync.get('type')} {'/'.join(places)} {sync.get('datetime_format')}"
