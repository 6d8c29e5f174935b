"""What all checks have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar

import dagster as dg

from analytics_assets import rest_api
from analytics_assets.components.asset_plan import AssetPlan
from analytics_assets.rest_api.errors import RestApiError


@dataclass(frozen=True)
class RunOfLoads:
    """The loads of a run, which checks evaluate.

    Attributes:
        plan: The asset.
        results: The loads that succeeded, in order.
        instance: Dagster's storage, with the materializations of earlier runs.
        run_id: The run.
        partitions: The partitions that were loaded by their windows; empty in a full refresh.
        sandbox: Whether the sandbox served the API.
    """

    plan: AssetPlan
    results: Sequence[rest_api.LoadResult]
    instance: dg.DagsterInstance
    run_id: str
    partitions: Sequence[str] = ()
    sandbox: bool = False

    @property
    def last(self) -> rest_api.LoadResult:
        """The last load, which describes the table as it is now."""
        return self.results[-1]


@dataclass(frozen=True)
class Finding:
    """The result of a check.

    Attributes:
        passed: Whether the check passed.
        text: What was found, and if the check failed, how many rows, and what to do.
        metadata: Numbers, which the UI plots, and names.
    """

    passed: bool
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


class Check(ABC):
    """One check.

    Attributes:
        name: Its name, which is also its key under `checks` in the YAML.
        description: What it proves.
        failed_by: Errors of a load that are also a failure of the check.
    """

    name: ClassVar[str]
    description: ClassVar[str]
    failed_by: ClassVar[tuple[type[RestApiError], ...]] = ()

    def applies_to(self, plan: AssetPlan) -> bool:  # noqa: ARG002
        """Whether the asset has what the check needs."""
        return True

    @abstractmethod
    def evaluate(self, run: RunOfLoads) -> Finding | None:
        """The finding, or None if these loads do not show it. The run has at least one load."""


def counted(number: int, noun: str) -> str:
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def example_sql(table: str, columns: Sequence[str], rest: str = "") -> str:
    """A query for messages, which shows a few rows of a table."""
    names = ", ".join(f'"{column}"' for column in columns) or "*"
    return f"To see some: SELECT {names} FROM {table}{rest} LIMIT 5"  # noqa: S608 (a text; it is not run here)


def sample_of_keys(run: RunOfLoads, keys: Sequence[Sequence[Any]]) -> dict[str, str]:
    """Some keys as metadata. `preview: false` keeps all values of records out of Dagster's storage."""
    if not keys or not run.plan.resource.preview:
        return {}
    return {"sample_keys": "; ".join(", ".join(map(str, key)) for key in keys)}
