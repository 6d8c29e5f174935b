"""Rows of the first page, with the settings of the YAML as they are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.load.request import LoadRequest
from analytics_assets.rest_api.probe.children import bindings
from analytics_assets.rest_api.probe.session import ProbeSession
from analytics_assets.rest_api.redaction import redactor


def first_rows(request: LoadRequest, resources: Sequence[ResolvedResource]) -> list[dict[str, Any]]:
    """The rows of the first page; of a child, those of the first parent that has rows.

    Args:
        request: The resource.
        resources: All resources of the API.

    Raises:
        RestApiError: The page cannot be read.
    """
    for values in bindings(request, resources):
        with ProbeSession.open(request) as session:
            session.bindings = values
            trial = session.read(request.resource, pages=1)
            if trial.error and not trial.pages:
                redact = redactor(session.client.secret_values())
                raise trial.error.with_message(redact(str(trial.error)))
            if trial.rows:
                return trial.rows
    return []
