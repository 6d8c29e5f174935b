"""Measures a command: wall time, CPU time and peak memory of its process tree."""

from __future__ import annotations

import os
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

SAMPLE_SECONDS = 0.05
SHOWN_LINES = 15  # of the output of a failed command


@dataclass(frozen=True)
class Command:
    """A program to measure. Its environment has these variables, PATH and HOME only."""

    args: Sequence[str]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """Wall time and CPU time in seconds, peak memory in MB, of all processes of a command."""

    wall: float
    cpu: float
    memory: float


class CommandError(Exception):
    """A measured command failed. The message ends with the last lines of its output."""


def measure(command: Command) -> Cost:
    """Run the command to its end.

    Raises:
        CommandError: The command failed.
    """
    with tempfile.TemporaryFile("w+") as output:
        started = time.perf_counter()
        process = subprocess.Popen(
            command.args,
            cwd=command.folder,
            env={"PATH": os.environ["PATH"], "HOME": str(command.folder), **command.env},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
        )
        sampler = MemorySampler(process.pid)
        sampler.start()
        _, status, usage = os.wait4(process.pid, 0)
        wall = time.perf_counter() - started
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.stop()
        if process.returncode:
            output.seek(0)
            last_lines = "".join(output.readlines()[-SHOWN_LINES:])
            raise CommandError(f"{' '.join(command.args)} ended with {process.returncode}:\n{last_lines}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, sampler.peak or _max_rss(usage))


class MemorySampler(threading.Thread):
    """Peak memory of a process and its descendants, from /proc; 0 on systems without it.

    `ru_maxrss` is not usable: on Linux it includes the memory of this process when it started the other one.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._stopped = threading.Event()
        self.peak = 0.0

    def run(self) -> None:
        while True:
            memory = [_memory(pid) for pid in _process_tree(self._pid)]
            self.peak = max(self.peak, sum(current for current, _ in memory), *(peak for _, peak in memory))
            if self._stopped.wait(SAMPLE_SECONDS):
                return

    def stop(self) -> None:
        self._stopped.set()
        self.join()


def _process_tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _memory(pid: int) -> tuple[float, float]:
    """Current and peak memory of a process, in MB."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0.0, 0.0
    values = {name: value for name, _, value in (line.partition(":") for line in lines)}
    return tuple(int(values.get(name, "0 kB").split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))  # type: ignore[return-value]


def _max_rss(usage: resource.struct_rusage) -> float:
    return usage.ru_maxrss / (1024 * 1024 if sys.platform == "darwin" else 1024)


@dataclass(frozen=True)
class Ratio:
    """The ratio of two measurements, round by round: median, lowest and highest."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(over: Sequence[float], under: Sequence[float]) -> Ratio:
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))
