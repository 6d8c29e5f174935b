"""The peers' environments: one each below a cache folder, never among our dependencies, made when first asked for."""

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
    """A peer could not be installed; the message says why, without addresses."""


def environment(name: str, packages: Sequence[str]) -> Path:
    """The bin folder of an environment that holds these packages.

    Raises:
        InstallError: they cannot be installed here.
    """
    folder = CACHE / name
    made, wanted = folder / "packages.txt", "\n".join([sys.version, *packages])
    if not made.exists() or made.read_text() != wanted:
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
        made.write_text(wanted)
    return folder / "bin"


def _run(*command: str) -> None:
    # Outside of this project, whose constraints are not theirs.
    done = subprocess.run(command, cwd=CACHE, capture_output=True, text=True, check=False)
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or [f"ended with {done.returncode}"]
        raise InstallError(re.sub(r"\w+://\S+", "<address>", said[-1]))
