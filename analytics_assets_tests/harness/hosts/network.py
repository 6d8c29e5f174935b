"""Hosts of a network of their own. A host ends with its first process, and all hosts end with the test's process."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from analytics_assets_tests.support.project import ROOT
from analytics_assets_tests.support.requirements import require_or_skip

T = TypeVar("T")
TOOLS = ("ip", "unshare", "nsenter", "setpriv")
# Root folder of a host: the programs of this machine, read-only, and memory for everything else.
BOOT = """
set -e
hostname "$1"
root=$2
shift 2
mount --make-rprivate /
mount -t tmpfs -o mode=755 tmpfs "$root"
for folder in "$@"; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
    mount -o remount,bind,ro "$root$folder"
done
for name in bin sbin lib lib64; do [ -L /$name ] && ln -s usr/$name "$root/$name"; done
cp -a /etc "$root/etc"
mkdir "$root/var"
ln -s ../run "$root/var/run"
mkdir -p "$root/proc" "$root/dev" "$root/run" "$root/tmp" "$root/opt/dagster/home" "$root/opt/dagster/state"
chmod 1777 "$root/tmp"
mount -t proc proc "$root/proc"
mount --rbind /dev "$root/dev"
mount -t tmpfs -o mode=1777 tmpfs "$root/dev/shm"
exec chroot "$root" sleep infinity
"""


def folders_of_programs() -> list[str]:
    """The folders that a host needs to run Python with this project, and no folder below another one."""
    found = {"/usr", str(ROOT), sys.prefix, sys.base_prefix, *(path for path in sys.path if Path(path).is_dir())}
    paths = sorted(Path(path).resolve() for path in found if path)
    return [str(path) for path in paths if not any(other in path.parents for other in paths)]


@dataclass
class Host:
    """A host with an address in the network.

    Attributes:
        number: Its place in the network.
        folder: Where its root is mounted, in its own mount namespace, and where the logs of its processes are.
        process: The process that ends with the host.
        env: The variables of its processes. Nothing is inherited.
    """

    name: str
    number: int
    folder: Path
    process: subprocess.Popen[bytes]
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def address(self) -> str:
        return f"10.0.0.{self.number}"

    @property
    def init(self) -> int:
        """The first process of the host, as this machine numbers it."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children")
        return int(wait_for(lambda: children.read_text().split(), f"host {self.name}")[0])

    @property
    def root(self) -> Path:
        """The host's files."""
        return Path(f"/proc/{self.init}/root")

    def command(self, *words: str, user: str = "root") -> list[str]:
        """A command of this machine that runs a command on the host."""
        drop = ["setpriv", "--reuid", user, "--regid", user, "--clear-groups"] if user != "root" else []
        env = [f"{name}={value}" for name, value in self.env.items()]
        enter = ["nsenter", "--target", str(self.init), "--net", "--mount", "--pid", "--uts", "--root"]
        return [*enter, "--wdns=/opt/dagster", "env", "-i", *env, *drop, *words]

    def run(self, *words: str, user: str = "root") -> str:
        """Run a command; returns what it printed."""
        done = subprocess.run(self.command(*words, user=user), capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{self.name}: {' '.join(words)}\n{done.stdout}{done.stderr}"
        return done.stdout

    def start(self, log: str, *words: str, user: str = "root") -> None:
        """Start a process that runs until the host ends."""
        with (self.folder.parent / f"{log}.log").open("ab") as file:
            subprocess.Popen(self.command(*words, user=user), stdin=subprocess.DEVNULL, stdout=file, stderr=file)

    def log(self, name: str) -> str:
        return (self.folder.parent / f"{name}.log").read_text(errors="replace")

    def lose_power(self) -> None:
        """End the host at once. Its peers get no packet that says so."""
        self.run("ip", "link", "set", "eth0", "down")
        os.kill(self.init, signal.SIGKILL)
        self.process.wait()

    def block(self, other: Host) -> None:
        """Drop all packets to another host."""
        self.run("ip", "route", "add", "blackhole", f"{other.address}/32")

    def unblock(self, other: Host) -> None:
        self.run("ip", "route", "del", "blackhole", f"{other.address}/32")


@contextlib.contextmanager
def run_hosts(
    folder: Path, names: Sequence[str], aliases: Mapping[str, str], env: Mapping[str, str]
) -> Iterator[dict[str, Host]]:
    """Hosts in one network while the block runs.

    Args:
        folder: Where the logs of all hosts are.
        names: The names by which hosts find each other.
        aliases: More names of hosts.
        env: The variables of all processes.
    """
    missing = [tool for tool in TOOLS if shutil.which(tool) is None]
    require_or_skip(os.geteuid() == 0 and not missing, f"root, {', '.join(missing or TOOLS)}")
    with contextlib.ExitStack() as stack:
        switch = stack.enter_context(namespaces(folder / "network.log", "--net", "sleep", "infinity"))
        hosts = {}
        for number, name in enumerate(names, start=1):
            (folder / name).mkdir()
            boot = ["sh", "-c", BOOT, "boot", name, str(folder / name), *folders_of_programs()]
            options = ["--net", "--mount", "--pid", "--uts", "--fork", "--kill-child"]
            process = stack.enter_context(namespaces(folder / "network.log", *options, *boot))
            hosts[name] = Host(name, number, folder / name, process, env)
        in_switch = ["nsenter", "--target", str(switch.pid), "--net"]
        wait_until_started(switch.pid)
        check(*in_switch, "ip", "link", "add", "switch", "type", "bridge")
        check(*in_switch, "ip", "link", "set", "switch", "up")
        lines = [f"{host.address} {name}" for name, host in hosts.items()]
        lines += [f"{hosts[name].address} {alias}" for alias, name in aliases.items()]
        for host in hosts.values():
            wait_until_started(host.init)
            port = f"port{host.number}"
            check(
                *in_switch, "ip", "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", str(host.init)
            )
            check(*in_switch, "ip", "link", "set", port, "master", "switch", "up")
            host.run("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
            host.run("ip", "link", "set", "eth0", "up")
            host.run("ip", "link", "set", "lo", "up")
            (host.root / "etc/hosts").write_text("\n".join(["127.0.0.1 localhost", *lines, ""]))
        yield hosts


@contextlib.contextmanager
def namespaces(log: Path, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    """A process in namespaces of its own. It ends with the block, or with the process that started it."""
    with log.open("ab") as file:
        process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", *arguments], stderr=file)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def check(*command: str) -> None:
    subprocess.run(command, check=True, timeout=60)


def wait_until_started(pid: int) -> None:
    """Wait until a process is in its namespaces and has become `sleep`."""
    wait_for(lambda: Path(f"/proc/{pid}/comm").read_text() == "sleep\n", "sleep in its namespaces")


def wait_for(found: Callable[[], T], what: str, *, seconds: float = 90) -> T:
    """Wait until a function returns something that counts as true; returns it."""
    ends = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < ends, f"{what}: waited {seconds} s"
        time.sleep(0.1)
    return value
