"""A deployment on several hosts: what Compose starts on one machine, and two Celery workers."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from analytics_assets_tests.harness.hosts import api
from analytics_assets_tests.harness.hosts.network import Host, run_hosts, wait_for
from analytics_assets_tests.support.project import BIN, ROOT
from analytics_assets_tests.support.requirements import require_or_skip

DEPLOY = ROOT / "deploy"
PASSWORD = "p4ssw0rd-of-us"
SECRETS = (PASSWORD, api.CLIENT_SECRET, api.REFRESH_TOKEN)
WORKERS = ("worker1", "worker2")
HOSTS = ("database", "broker", "api", "launcher", *WORKERS)
ALIASES = {"postgres": "database", "redis": "broker", "code": "launcher"}  # the names that deploy/ uses
WORKSPACE = "/opt/dagster/home/workspace.yaml"
LAUNCH = """mutation ($params: LaunchBackfillParams!) {
    launchPartitionBackfill(backfillParams: $params) { __typename ... on PythonError { message } }
}"""


@dataclass
class Deployment:
    """The hosts, and what a person asks them."""

    hosts: dict[str, Host]

    def query(self, sql: str) -> Any:
        """The rows of a query, as objects."""
        text = f"SELECT coalesce(json_agg(found), '[]') FROM ({sql}) AS found"
        words = ["psql", "--dbname", "dagster", "--no-align", "--tuples-only", "--command", text]
        return json.loads(self.hosts["database"].run(*words, user="postgres"))

    def runs(self) -> list[dict[str, Any]]:
        """Dagster's runs.

        Each has its id and status, the id of the run that it continues (`parent`), whether the daemon will start it
        again (`will_retry`, `true` or `false`), why it failed (`reason`), and its first partition.
        """
        tags = {
            "parent": "dagster/parent_run_id",
            "will_retry": "dagster/will_retry",
            "reason": "dagster/failure_reason",
            "first_partition": "dagster/asset_partition_range_start",
        }
        columns = (
            f"(SELECT value FROM run_tags AS tag WHERE tag.run_id = runs.run_id AND key = '{key}') AS {name}"
            for name, key in tags.items()
        )
        return list(self.query(f"SELECT run_id, status, {', '.join(columns)} FROM runs ORDER BY id"))

    def logs(self) -> dict[str, str]:
        """The logs of all processes, by their names."""
        folder = self.hosts["database"].folder.parent
        return {path.stem: path.read_text(errors="replace") for path in sorted(folder.glob("*.log"))}

    def unfinished_steps(self) -> list[dict[str, Any]]:
        """Steps of successful runs that were started and have no success, failure or skip after that."""
        return list(
            self.query(
                "SELECT run_id, step_key FROM event_logs JOIN runs USING (run_id) WHERE status = 'SUCCESS' AND "
                "step_key IS NOT NULL GROUP BY run_id, step_key HAVING bool_or(dagster_event_type = 'STEP_START') "
                "AND NOT bool_or(dagster_event_type = 'STEP_SUCCESS')"
            )
        )

    def table(self, resource: str) -> list[dict[str, Any]]:
        columns = "id, to_char(updated_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"') AS updated_at, name"
        return list(self.query(f"SELECT {columns} FROM shop.{resource} ORDER BY id"))

    def requests(self) -> list[tuple[str, str, int]]:
        """The API's requests: address of the client, path and status."""
        lines = re.findall(r"^(10\S+) (\S+) (\d+)$", self.hosts["api"].log("api"), re.MULTILINE)
        return [(address, path, int(status)) for address, path, status in lines]

    def wait_for_requests(self, host: Host, more: int) -> None:
        """Wait until a host has read that many more pages of the API."""

        def pages() -> int:
            return sum(address == host.address and "/v1/" in path for address, path, _ in self.requests())

        target = pages() + more
        wait_for(lambda: pages() >= target, f"requests of {host.name}", seconds=240)

    def start_backfill(self, partitions: list[str]) -> None:
        """Start a backfill of both assets, as the UI does."""
        selection = [{"path": ["shop", resource]} for resource in api.RESOURCES]
        body = json.dumps(
            {"query": LAUNCH, "variables": {"params": {"partitionNames": partitions, "assetSelection": selection}}}
        )
        code = (
            "import sys, urllib.request as r; print(r.urlopen(r.Request('http://launcher:3000/graphql', "
            "sys.argv[1].encode(), {'Content-Type': 'application/json'})).read().decode())"
        )
        assert "LaunchBackfillSuccess" in self.hosts["api"].run(sys.executable, "-c", code, body)


def environment(redis: str, latency: float) -> dict[str, str]:
    """The variables that Compose gives to all containers, and those of the images."""
    names = re.findall(r"^([A-Z_0-9]+)=", (DEPLOY / ".env.example").read_text(), re.MULTILINE)
    return {
        **dict.fromkeys(names, ""),
        "PATH": f"{BIN}:/usr/bin:/usr/sbin",
        "HOME": "/opt/dagster",
        "PYTHONUNBUFFERED": "1",
        "DAGSTER_HOME": "/opt/dagster/home",
        "ANALYTICS_STATE_DIR": "/opt/dagster/state",
        "ANALYTICS_DEFS_DIR": "/opt/dagster/defs",
        "DAGSTER_POSTGRES_HOST": "postgres",
        "DAGSTER_POSTGRES_DB": "dagster",
        "DAGSTER_POSTGRES_USER": "dagster",
        "DAGSTER_POSTGRES_PASSWORD": PASSWORD,
        "ANALYTICS_DESTINATION": "postgres",
        "DESTINATION__POSTGRES__CREDENTIALS": f"postgresql://dagster:{PASSWORD}@postgres/dagster",
        "ANALYTICS_TOKEN_STORE": "DESTINATION__POSTGRES__CREDENTIALS",
        "ANALYTICS_EXECUTOR": "celery",
        "ANALYTICS_STEP_RETRY_SECONDS": "2",
        "ANALYTICS_WORKER_TIMEOUT_SECONDS": "8",
        "CELERY_BROKER_URL": f"{redis}/0",
        "CELERY_RESULT_BACKEND": f"{redis}/1",
        "SHOP_BASE_URL": "http://api:8000/shop",
        "SHOP_TOKEN_URL": "http://api:8000/shop/oauth/token",
        "SHOP_CLIENT_ID": "shop-client",
        "SHOP_CLIENT_SECRET": api.CLIENT_SECRET,
        "SHOP_REFRESH_TOKEN": api.REFRESH_TOKEN,
        "API_LATENCY": str(latency),
    }


def definition(partitions: dict[str, Any]) -> dict[str, Any]:
    """The YAML of the API."""
    auth = {
        name: {"env": f"SHOP_{name.upper()}"} for name in ("client_id", "client_secret", "refresh_token", "token_url")
    }
    endpoint = {
        "data_selector": "data",
        "paginator": {"type": "cursor", "limit": 50, "cursor_param": "cursor", "cursor_path": "next"},
        "incremental": {"cursor_path": "updated_at", "start_param": "since", "end_param": "until", "format": "iso8601"},
    }
    return {
        "type": "analytics_assets.components.RestApi",
        "attributes": {
            "client": {
                "base_url": {"env": "SHOP_BASE_URL"},
                "allow_insecure_http": True,
                "auth": {"type": "oauth2", **auth},
            },
            "resource_defaults": {"primary_key": "id", "endpoint": endpoint},
            "resources": [{"name": name, "endpoint": {"path": f"/v1/{name}"}} for name in api.RESOURCES],
            "partitions": {"start": f"{api.FIRST_DAY:%Y-%m-%d}", **partitions},
        },
    }


@contextlib.contextmanager
def run_deployment(folder: Path, partitions: dict[str, Any], *, latency: float) -> Iterator[Deployment]:
    """All hosts with their processes but the daemon, while the block runs.

    Args:
        folder: For logs.
        partitions: The key `partitions` of the API's YAML.
        latency: Seconds that the API takes for each page.
    """
    binaries = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    require_or_skip(bool(binaries), "Debian's postgresql")
    require_or_skip(Path("/usr/bin/redis-server").exists(), "redis-server")
    instance = yaml.safe_load((DEPLOY / "dagster.yaml").read_text())
    del instance["run_launcher"]  # of Docker; without it, the code server starts the runs
    with run_hosts(folder, HOSTS, ALIASES, environment("redis://redis:6379", latency)) as hosts:
        for name in ("launcher", *WORKERS):
            (hosts[name].root / "opt/dagster/home/dagster.yaml").write_text(yaml.safe_dump(instance))
            defs = hosts[name].root / "opt/dagster/defs/shop"
            defs.mkdir(parents=True)
            (defs / "defs.yaml").write_text(yaml.safe_dump(definition(partitions)))
        (hosts["launcher"].root / WORKSPACE[1:]).write_text((DEPLOY / "workspace.yaml").read_text())
        hosts["broker"].start("redis", "redis-server", "--bind", "0.0.0.0", "--protected-mode", "no", "--save", "")
        # The tests are not installed, unlike the package.
        hosts["api"].start("api", "env", f"PYTHONPATH={ROOT}", sys.executable, "-m", api.__name__)
        start_postgres(hosts["database"], str(binaries[-1]))
        [serve] = re.findall(r"^CMD (.+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
        hosts["launcher"].start("code", *json.loads(serve))
        worker = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text())["services"]["worker"]["command"]
        for name in WORKERS:
            hosts[name].start(name, *worker)
        wait_for(lambda: "Started Dagster code server" in hosts["launcher"].log("code"), "the code server")
        hosts["launcher"].start("webserver", "dagster-webserver", "-h", "0.0.0.0", "-p", "3000", "-w", WORKSPACE)
        wait_for(lambda: "Serving dagster-webserver" in hosts["launcher"].log("webserver"), "the webserver")
        yield Deployment(hosts)


def start_postgres(host: Host, binaries: str) -> None:
    """Start PostgreSQL with the settings that Compose gives to it."""
    settings = yaml.safe_load((DEPLOY / "docker-compose.yaml").read_text())["services"]["postgres"]["command"][1:]
    host.run("install", "--directory", "--owner=postgres", "/opt/data", "/run/postgresql")
    host.run(
        f"{binaries}/initdb", "--pgdata=/opt/data", "--auth=trust", "--locale=C.UTF-8", "--no-sync", user="postgres"
    )
    with (host.root / "opt/data/pg_hba.conf").open("a") as rules:
        rules.write("host all all 10.0.0.0/24 scram-sha-256\n")
    options = ["-c", "listen_addresses=*", "-c", "fsync=off", *settings]
    host.start("postgres", f"{binaries}/postgres", "-D", "/opt/data", *options, user="postgres")
    wait_for(lambda: "ready to accept" in host.log("postgres"), "PostgreSQL")
    for statement in (f"CREATE USER dagster PASSWORD '{PASSWORD}'", "CREATE DATABASE dagster OWNER dagster"):
        host.run("psql", "--command", statement, user="postgres")
