"""A project with APIs that know secrets, run through all cases, and everything that is left to search."""

from __future__ import annotations

import json
import re
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote

import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from analytics_assets_tests.cases.secret_leaks import PERSON, LeakCase, leak_cases
from analytics_assets_tests.fake_api import FakeServer, serve
from analytics_assets_tests.harness.secret_scanner import GraphQLReader, SecretScan
from analytics_assets_tests.support.project import Project
from analytics_assets_tests.support.requirements import free_port
from analytics_assets_tests.support.ui import launch_run, query_graphql, serve_ui

LOCATION = "analytics_assets.definitions"
PROXY_PASSWORD, POSTGRES_PASSWORD = "pr0xy-passw0rd-of-us", "p0stgres/passw0rd+of=us"
SECRET_TEXT = re.compile(r"s3cret/[\w-]+\+of=us&%Zq9")
# The settings of a user who looks for an error: every library logs everything.
DAGSTER_YAML = """
telemetry: {enabled: false}
python_logs: {python_log_level: DEBUG, managed_python_loggers: [root]}
"""


@dataclass
class LeakScan:
    """A project after all cases.

    Attributes:
        cases: The cases by the names of their APIs.
        server: The server of all APIs.
        other_server: A server that no request may reach.
        consoles: The output of each command.
        ui_texts: What the UI shows, by description.
    """

    project: Project
    cases: Mapping[str, LeakCase]
    server: FakeServer
    other_server: FakeServer
    consoles: dict[str, str] = field(default_factory=dict)
    ui_texts: list[tuple[str, str]] = field(default_factory=list)

    @property
    def token_folder(self) -> Path:
        return self.project.folder / ".analytics_state" / "tokens"

    def new_scan(self) -> SecretScan:
        """A search for all secrets: those of the settings, and the tokens that were issued."""
        values = [unquote(value) if "://" in value else value for value in self.project.env.values()]
        secrets = {found: found for value in values for found in SECRET_TEXT.findall(value)}
        secrets |= {"proxy": PROXY_PASSWORD, "postgres": POSTGRES_PASSWORD, "a person": PERSON}
        for file in self.token_folder.glob("*.json"):
            token = json.loads(file.read_text())
            secrets |= {f"{name} {file}": token[name] for name in ("access_token", "refresh_token") if token[name]}
        for record in self.server.requests:
            bearer = record.request.headers.get("authorization", "")
            if bearer.startswith("Bearer access."):
                secrets[f"access_token {record.request.path}"] = bearer.removeprefix("Bearer ")
            if record.request.path.endswith("/oauth/token") and "refresh_token" in record.request.form():
                secrets[f"refresh_token {record.request.path}"] = record.request.form()["refresh_token"]
        return SecretScan(secrets)

    def read_ui(self, *command: str, launch: tuple[str, ...] = ()) -> None:
        """Serve the UI by a command, launch jobs in it, and keep what it shows."""
        with serve_ui(self.project, *command) as ui:
            query_graphql(ui, "{version}")
            graphql = GraphQLReader(ui)
            for job in launch:
                wait_for_run(graphql, launch_run(ui, LOCATION, job))
            self.ui_texts.extend(graphql.read_all(LOCATION))
            arguments = self.new_scan()
            arguments.scan_processes()
            assert arguments.found == set()


@contextmanager
def run_leak_cases(folder: Path, *, repeat: bool) -> Iterator[LeakScan]:
    """Run all cases in one job, and read the UI.

    Args:
        folder: For the project.
        repeat: Run some of the cases again: by command with other settings, and in the UI.
    """
    with ExitStack() as stack:
        other_server = FakeServer([])
        cases = leak_cases(
            other_url=stack.enter_context(serve(other_server)),
            closed_url=f"http://127.0.0.1:{free_port()}",
            self_signed_url=stack.enter_context(serve_self_signed(folder)),
        )
        server = FakeServer([case.build_api(name) for name, case in cases.items()])
        url = stack.enter_context(serve(server))
        for name, case in cases.items():
            if case.fault:
                server.faults.add(case.fault, path=f"/{name}{case.fault_path}", times=None)
        project = leak_project(folder / "project", cases, server.variables(url))
        scan = LeakScan(project, cases, server, other_server)
        scan.consoles["all"] = project.execute("full_refresh", ok=False)
        if repeat:
            run_again(scan)
            scan.read_ui("dagster", "dev", "-m", LOCATION, launch=("good_query_full_refresh", "error_500_full_refresh"))
        else:
            scan.read_ui("dagster-webserver", "-m", LOCATION)
        yield scan


def run_again(scan: LeakScan) -> None:
    """Runs with a stored token, with a process for each asset, and with databases that cannot be reached."""
    scan.consoles["again"] = scan.project.execute("good_rotating_full_refresh")
    multiprocess = {"ANALYTICS_EXECUTOR": "multiprocess"}
    scan.consoles["processes"] = scan.project.execute("error_400_full_refresh", env=multiprocess, ok=False)
    database = f"postgresql://me:{quote(POSTGRES_PASSWORD, safe='')}@127.0.0.1:1/db"
    for environ in (
        {"ANALYTICS_DESTINATION": "postgres", "DESTINATION__POSTGRES__CREDENTIALS": database},
        {"ANALYTICS_TOKEN_STORE": database},
        {"ANALYTICS_TOKEN_STORE": "SOME_DATABASE", "SOME_DATABASE": database.replace("%2F", "/")},
    ):
        console = scan.project.execute("good_rotating_full_refresh", env=environ, ok=False)
        scan.consoles[", ".join(environ)] = console


def leak_project(folder: Path, cases: Mapping[str, LeakCase], variables: Mapping[str, str]) -> Project:
    """A project of these APIs with all their variables, and with its own folder for temporary files."""
    environ = {
        f"{name.upper()}_{variable}": value for name, case in cases.items() for variable, value in case.environ.items()
    }
    project = Project(
        folder,
        {
            **variables,
            **environ,
            "ANALYTICS_DEFS_DIR": str(folder / "defs"),
            "ANALYTICS_STEP_RETRIES": "0",
            "TMPDIR": str(folder / "tmp"),
            "HTTP_PROXY": f"http://me:{PROXY_PASSWORD}@127.0.0.1:{free_port()}",
            "NO_PROXY": "127.0.0.1,localhost",
            "RUNTIME__LOG_LEVEL": "DEBUG",
        },
    )
    (folder / "tmp").mkdir()
    (folder / ".dagster" / "dagster.yaml").write_text(DAGSTER_YAML)
    for name, case in cases.items():
        (folder / "defs" / name).mkdir(parents=True)
        (folder / "defs" / name / "defs.yaml").write_text(yaml.safe_dump(case.defs_yaml(name)))
    return project


def wait_for_run(graphql: GraphQLReader, run_id: str) -> None:
    query = f'{{ runOrError(runId: "{run_id}") {{ ... on Run {{ status }} }} }}'
    while graphql.query(query)["runOrError"]["status"] not in ("SUCCESS", "FAILURE", "CANCELED"):
        time.sleep(0.2)


@contextmanager
def serve_self_signed(folder: Path) -> Iterator[str]:
    """An https server with a self-signed certificate."""
    certificate, key = folder / "certificate.pem", rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    private_key = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate.write_bytes(private_key + signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()
