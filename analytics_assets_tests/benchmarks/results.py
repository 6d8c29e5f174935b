"""The results of the workloads, in a file: each run replaces those of the workloads that it has measured."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import dlt
import duckdb
import msgspec

from analytics_assets_tests.support.project import ROOT

FILE = Path(__file__).with_name("results.json").relative_to(ROOT)


@dataclass(frozen=True)
class Finding:
    """One row of the report: a sentence that says what was found, and its exact figures."""

    sentence: str
    figures: str


@dataclass(frozen=True)
class LoadCost:
    """The cost of one program's load of one table.

    Attributes:
        table: What is loaded: `1,000,000 rows`.
        program: The program's name.
        wall: Seconds, the median of the rounds.
        cpu: Processor seconds, the median of the rounds; None if not measured.
        memory: Peak memory in MB, the highest of the rounds.
    """

    table: str
    program: str
    wall: float
    cpu: float | None
    memory: float


@dataclass(frozen=True)
class Result:
    """What one workload has measured.

    Attributes:
        measured: The date.
        environment: Processors and versions.
        rounds: How often each program ran.
    """

    measured: date
    environment: str
    rounds: int
    findings: Sequence[Finding] = ()
    costs: Sequence[LoadCost] = ()


def environment() -> str:
    """The environment of this process, as the report shows it."""
    return (
        f"{os.cpu_count()} processors, Python {platform.python_version()}, dlt {dlt.__version__}, "
        f"DuckDB {duckdb.__version__}"
    )


def load(root: Path = ROOT) -> dict[str, Result]:
    """The stored results by workload; empty without a file."""
    file = root / FILE
    return msgspec.json.decode(file.read_bytes(), type=dict[str, Result]) if file.exists() else {}


def save(results: Mapping[str, Result], root: Path = ROOT) -> None:
    """Store the results."""
    (root / FILE).write_bytes(msgspec.json.format(msgspec.json.encode(results), indent=1) + b"\n")
