"""The virtual environments of the peers, in a cache folder; each is created when it is first needed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "analytics_assets_benchmarks"


class InstallError(Exception):
    """A peer could not be installed. The message gives the reason, without URLs."""


def environment(name: str, packages: Sequence[str]) -> Path:
    """The bin folder of an environment with these packages.

    Raises:
        InstallError: The packages cannot be installed.
    """
    folder = CACHE / name
    installed, required = folder / "packages.txt", "\n".join([sys.version, *packages])
    if not installed.exists() or installed.read_text() != required:
        shutil.rmtree(folder, ignore_errors=True)
        CACHE.mkdir(parents=True, exist_ok=True)
        uv = shutil.which("uv") or shutil.which("uv", path=str(Path(sys.executable).parent))
        python = str(folder / "bin" / "python")
        if uv:
            _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
            _run(uv, "pip", "install", "--quiet", "--python", python, *packages)
        else:
            _run(sys.executable, "-m", "venv", str(folder))
            _run(python, "-m", "pip", "install", "--quiet", *packages)
        installed.write_text(required)
    return folder / "bin"


def _run(*command: str) -> None:
    # In the cache folder, or the constraints of this project would apply.
    done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=False)
    if done.returncode:
        output = (done.stderr or done.stdout).strip().splitlines() or [f"ended with {done.returncode}"]
        raise InstallError(re.sub(r"\w+://\S+", "<url>", output[-1]))
