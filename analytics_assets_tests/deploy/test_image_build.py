"""The steps of the Dockerfiles, replayed in a new Debian: no container runtime is needed.

The base image `python:3.11-slim-bookworm` is Debian bookworm, whose own Python is 3.11 too.
"""

from __future__ import annotations

import fnmatch
import json
import os
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from analytics_assets_tests.support.project import ROOT
from analytics_assets_tests.support.requirements import require_or_skip

pytestmark = pytest.mark.soak
TOOLS = ("debootstrap", "unshare", "chroot", "setpriv", "ip")
BASE_IMAGE = "python:3.11-slim-bookworm"
MIRROR = "http://deb.debian.org/debian"
# What pip needs to reach its registry from this machine.
FROM_THIS_MACHINE = re.compile(r"(PIP_(?!DISABLE)|SSL_CERT_|https?_proxy$|no_proxy$)\w*", re.IGNORECASE)
SHARED = (
    "/etc/ssl/certs",
    "/etc/pip.conf",
    "/etc/xdg/pip",
    "/etc/resolv.conf",
    "/etc/hosts",
    "/opt/wheels",
    "/opt/pypi",
)
ENTER = """
set -e
root=$1
user=$2
shift 2
mount --make-rprivate /
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
for path in {shared}; do
    [ -e "$path" ] || continue
    if [ -d "$path" ]; then mkdir -p "$root$path"; else mkdir -p "$(dirname "$root$path")"; touch "$root$path"; fi
    mount --bind "$path" "$root$path"
done
[ "$user" = 0 ] || ip link set lo up
exec chroot "$root" setpriv --reuid "$user" --regid "$user" --clear-groups "$@"
"""


@dataclass
class Stage:
    """A stage of a Dockerfile: its root folder, and what its instructions have set."""

    root: Path
    env: dict[str, str] = field(default_factory=lambda: {"PATH": "/usr/local/bin:/usr/bin:/usr/sbin:/bin:/sbin"})
    folder: str = "/"
    user: str = "0"
    command: list[str] = field(default_factory=list)
    health_check: list[str] = field(default_factory=list)

    def run(self, script: str) -> str:
        """Run a shell script in the stage, as its user. A user without rights gets a network of its own."""
        network = {name: value for name, value in os.environ.items() if FROM_THIS_MACHINE.fullmatch(name)}
        namespaces = ["--mount", "--pid", "--fork", "--kill-child", *(["--net"] if self.user != "0" else [])]
        enter = ENTER.replace("{shared}", shlex.join(SHARED))
        command = ["sh", "-ec", f"cd {shlex.quote(self.folder)}\n{script}"]
        done = subprocess.run(
            ["unshare", *namespaces, "sh", "-c", enter, "enter", str(self.root), self.user, *command],
            env={**network, **self.env},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=900,
            check=False,
        )
        assert done.returncode == 0, f"{script}\n{done.stdout[-3000:]}"
        return done.stdout

    def copy(self, sources: list[Path], target: str) -> None:
        """COPY: the content of folders, and files into a folder if the target ends with a slash."""
        into = self.root / (Path(self.folder) / target).as_posix().lstrip("/")
        for source in sources:
            if source.is_dir():
                shutil.copytree(source, into, symlinks=True, dirs_exist_ok=True, ignore=ignored)
            else:
                place = into / source.name if target.endswith("/") else into
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(source, place)


def ignored(_: str, names: list[str]) -> set[str]:
    """What .dockerignore excludes from the folders that it lets in."""
    lines = (ROOT / ".dockerignore").read_text().splitlines()
    patterns = [line.removeprefix("**/") for line in lines if line.startswith("**/")]
    return {name for name in names if any(fnmatch.fnmatch(name, pattern) for pattern in patterns)}


def replay(dockerfile: Path, base: Path, folder: Path) -> Stage:
    """Execute the instructions of a Dockerfile; returns the last stage.

    Raises:
        ValueError: An instruction is not known here.
    """
    text = re.sub(r"^#.*\n", "", dockerfile.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    stages: dict[str, Stage] = {}
    for line in filter(str.strip, text.splitlines()):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            image, _, name = rest.partition(" AS ")
            assert image == BASE_IMAGE
            root = folder / f"stage{len(stages)}"
            subprocess.run(["cp", "-a", str(base), str(root)], check=True)
            stage = stages[name] = Stage(root)
        elif instruction == "ENV":
            stage.env |= {
                name: value.replace("$PATH", stage.env["PATH"])
                for name, value in (pair.split("=", 1) for pair in shlex.split(rest))
            }
        elif instruction == "WORKDIR":
            stage.folder = rest
            (stage.root / rest[1:]).mkdir(parents=True, exist_ok=True)
        elif instruction == "RUN":
            stage.run(rest)
        elif instruction == "COPY":
            *words, target = rest.split()
            option = words.pop(0).removeprefix("--from=") if words[0].startswith("--from=") else ""
            context = stages[option].root if option else ROOT
            stage.copy([context / word.lstrip("/") for word in words], target)
        elif instruction == "USER":
            stage.user = rest
        elif instruction == "HEALTHCHECK":
            stage.health_check = json.loads(rest.partition("CMD ")[2])
        elif instruction == "CMD":
            stage.command = json.loads(rest)
        elif instruction != "EXPOSE":
            raise ValueError(f"{dockerfile.name}: {instruction} is not known to this test")
    return stage


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The base image: Debian with Python."""
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    require_or_skip(os.geteuid() == 0 and not missing, f"root, {', '.join(missing or TOOLS)}")
    root = tmp_path_factory.mktemp("image") / "base"
    packages = "--include=python3,python3-venv,ca-certificates"
    subprocess.run(
        ["debootstrap", "--variant=minbase", packages, "bookworm", str(root), MIRROR],
        stdout=subprocess.DEVNULL,
        check=True,
        timeout=600,
    )
    (root / "usr/local/bin/python").symlink_to("/usr/bin/python3")
    yield root
    shutil.rmtree(root.parent)


def test_code_location_starts_without_rights_and_passes_its_health_check(base: Path, tmp_path: Path) -> None:
    image = replay(ROOT / "deploy" / "Dockerfile", base, tmp_path)
    # Without PostgreSQL: the instance's settings are tested elsewhere.
    (image.root / "opt/dagster/home/dagster.yaml").write_text("telemetry: {enabled: false}\n")
    output = image.run(f"""
        {shlex.join(image.command)} &
        server=$!
        for attempt in $(seq 90); do
            {shlex.join(image.health_check)} >/dev/null 2>&1 && break
            kill -0 $server
            sleep 1
        done
        {shlex.join(image.health_check)}
        echo "user $(stat -c %u /proc/$server)"
        touch "$ANALYTICS_STATE_DIR/may_write" "$DAGSTER_HOME/may_write"
        ! touch /opt/venv/may_write 2>/dev/null
        ls /opt/venv/lib/python3*/site-packages/analytics_assets/defs/*/defs.yaml
    """)
    assert "user 10001" in output
    assert "recruiting/defs.yaml" in output


def test_webserver_and_daemon_are_installed_without_the_project(base: Path, tmp_path: Path) -> None:
    image = replay(ROOT / "deploy" / "Dockerfile.dagster", base, tmp_path)
    output = image.run(f"""
        id -u
        {image.command[0]} --version
        dagster-daemon --version
        ls
        ! python -c 'import analytics_assets' 2>/dev/null
    """)
    assert output.split()[0] == "10001"
    assert {"dagster.yaml", "workspace.yaml"} <= set(output.split())
