"""Chooses the paginator of a configuration."""

from __future__ import annotations

from analytics_assets.rest_api import config
from analytics_assets.rest_api.extract.pagination.base import Paginator
from analytics_assets.rest_api.extract.pagination.numbered import OffsetPaginator, PageNumberPaginator
from analytics_assets.rest_api.extract.pagination.tokens import CursorPaginator, LinkPaginator, SinglePagePaginator


def build_paginator(spec: config.PaginatorConfig) -> Paginator:
    """A paginator for one read: it holds the state of that read."""
    if isinstance(spec, config.OffsetConfig):
        return OffsetPaginator(spec)
    if isinstance(spec, config.PageNumberConfig):
        return PageNumberPaginator(spec)
    if isinstance(spec, (config.CursorConfig, config.HeaderCursorConfig)):
        return CursorPaginator(spec)
    if isinstance(spec, (config.JsonLinkConfig, config.HeaderLinkConfig)):
        return LinkPaginator(spec)
    return SinglePagePaginator()
