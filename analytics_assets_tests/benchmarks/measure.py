"""What a command costs: wall time, processor time and peak memory of its whole process tree."""

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
SHOWN_LINES = 15


@dataclass(frozen=True)
class Command:
    """A program to measure; it sees these variables, a PATH and nothing else of this process's environment."""

    args: Sequence[str]
    folder: Path
    env: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """Seconds of wall and processor, and the most memory (MB) that its processes held at once."""

    wall: float
    cpu: float
    memory: float


class CommandError(Exception):
    """A measured command failed: the message ends with what it printed last."""


def measure(command: Command) -> Cost:
    """Runs the command to its end.

    Raises:
        CommandError: it did not end well.
    """
    with tempfile.TemporaryFile("w+") as output:
        began = time.perf_counter()
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
        wall = time.perf_counter() - began
        process.returncode = os.waitstatus_to_exitcode(status)
        sampler.end()
        if process.returncode:
            output.seek(0)
            said = "".join(output.readlines()[-SHOWN_LINES:])
            raise CommandError(f"{' '.join(command.args)} ended with {process.returncode}:\n{said}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, sampler.peak or _max_rss(usage))


class MemorySampler(threading.Thread):
    """The most memory that a process and its descendants held, read from /proc; 0 where there is none.

    Not `ru_maxrss`: on Linux it counts what this process held when it started the other.
    """

    def __init__(self, pid: int) -> None:
        super().__init__(daemon=True)
        self._pid = pid
        self._apply_defaults = threading.Event()
        self.peak = 0.0

    def run(self) -> None:
        while True:
            held = [_memory(pid) for pid in _tree(self._pid)]
            self.peak = max(self.peak, sum(now for now, _ in held), *(most for _, most in held))
            if self._apply_defaults.wait(SAMPLE_SECONDS):
                return

    def end(self) -> None:
        self._apply_defaults.set()
        self.join()


def _tree(pid: int) -> list[int]:
    found = [pid]
    for parent in found:
        try:
            for task in Path(f"/proc/{parent}/task").iterdir():
                found += map(int, (task / "children").read_text().split())
        except OSError:
            continue
    return found


def _memory(pid: int) -> tuple[float, float]:
    """What a process holds now, and the most that it held so far, in MB."""
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
    """How two figures of the same rounds compare: the median of the rounds' ratios, and their span."""

    median: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.median:.2f} ({self.low:.2f} to {self.high:.2f})"


def ratio(over: Sequence[float], under: Sequence[float]) -> Ratio:
    ratios = [a / b for a, b in zip(over, under, strict=True)]
    return Ratio(statistics.median(ratios), min(ratios), max(ratios))
