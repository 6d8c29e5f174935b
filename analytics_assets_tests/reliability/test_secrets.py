"""No secret is left anywhere: successes and every kind of failure, then all that runs leave behind is searched."""

from __future__ import annotations

import json
import os
import re
import signal
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import quote, unquote

import pytest
import yaml
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID

from analytics_assets.rest_api.config import Client, RestApiConfig
from analytics_assets.rest_api.load import prepare
from analytics_assets_tests.cases.secret_leaks import PERSON, Case, cases, secret
from analytics_assets_tests.fake_api import Api, ApiKey, Endpoint, FakeServer, faults, serve
from analytics_assets_tests.harness.secret_scanner import GraphQL, Scan, forms
from analytics_assets_tests.support.postgres import PASSWORD
from analytics_assets_tests.support.project import Project
from analytics_assets_tests.support.requirements import free_port
from analytics_assets_tests.support.shop import Shop
from analytics_assets_tests.support.ui import query_graphql, serve_ui

# What people set when they look for an error: everything is logged, by every library.
DAGSTER_YAML = """
telemetry: {enabled: false}
python_logs: {python_log_level: DEBUG, managed_python_loggers: [root]}
"""
SECRET_TEXT = re.compile(r"s3cret/[\w-]+\+of=us&%Zq9")
PROXY_PASSWORD, POSTGRES_PASSWORD = "pr0xy-passw0rd-of-us", "p0stgres/passw0rd+of=us"


LOCATION = "analytics_assets.definitions"
LAUNCH = """
mutation($job: String!) {
  launchRun(executionParams: {runConfigData: {}, selector: {
    repositoryName: "__repository__", repositoryLocationName: "analytics_assets.definitions", jobName: $job}}
  ) { __typename ... on LaunchRunSuccess { run { runId } } }
}
"""


@dataclass
class LeakScan:
    """A project that has been through all cases, and what there is to be searched."""

    project: Project
    cases: Mapping[str, Case]
    sandbox: FakeServer
    elsewhere: FakeServer
    console: dict[str, str]
    answers: list[tuple[str, str]]

    @property
    def tokens(self) -> Path:
        return self.project.folder / ".analytics_state" / "tokens"

    def scan(self) -> Scan:
        """A search for all that is secret: what was set, and what the token endpoints issued."""
        values = [unquote(value) if "://" in value else value for value in self.project.env.values()]
        secrets = {found: found for value in values for found in SECRET_TEXT.findall(value)}
        secrets |= {"proxy": PROXY_PASSWORD, "postgres": POSTGRES_PASSWORD, "a person": PERSON}
        for file in self.tokens.glob("*.json"):
            token = json.loads(file.read_text())
            secrets |= {f"{kind} {file}": token[kind] for kind in ("access_token", "refresh_token") if token[kind]}
        for record in self.sandbox.requests:
            bearer = record.request.headers.get("authorization", "")
            if bearer.startswith("Bearer access."):
                secrets[f"access_token {record.request.path}"] = bearer.removeprefix("Bearer ")
            if record.request.path.endswith("/oauth/token") and "refresh_token" in record.request.form():
                secrets[f"refresh_token {record.request.path}"] = record.request.form()["refresh_token"]
        return Scan(secrets)


@pytest.fixture(scope="module", params=["once", pytest.param("again and again", marks=pytest.mark.soak)])
def scene(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeakScan]:
    """All cases in one run, seen in the UI; in the long version also later runs, by command and by button."""
    folder = tmp_path_factory.mktemp("secrets")
    with ExitStack() as stack:
        elsewhere = FakeServer([])
        url_elsewhere = stack.enter_context(serve(elsewhere))
        self_signed = stack.enter_context(serving_self_signed(folder))
        found = cases(url_elsewhere, f"http://127.0.0.1:{free_port()}", self_signed)
        sandbox = FakeServer([case.api(name) for name, case in found.items()])
        url = stack.enter_context(serve(sandbox))
        for name, case in found.items():
            if case.fault:
                sandbox.faults.add(case.fault, path=f"/{name}{case.at}", times=None)
        project = prepared(folder / "project", found, sandbox.variables(url))
        scene = LeakScan(project, found, sandbox, elsewhere, {}, [])
        scene.console["all"] = project.execute("full_refresh", ok=False)
        command: tuple[str, ...]
        if request.param == "once":
            command = ("dagster-webserver", "-m", LOCATION)
        else:
            command = ("dagster", "dev", "-m", LOCATION)
            execute_later(scene)
        with serve_ui(project, *command) as ui:
            query_graphql(ui, "{version}")
            graphql = GraphQL(ui)
            if request.param != "once":
                launch(graphql, "good_query_full_refresh")
                launch(graphql, "error_500_full_refresh")
            scene.answers.extend(graphql.answers(LOCATION))
            arguments = scene.scan()
            arguments.processes()
            assert arguments.found == set()
        yield scene


def execute_later(scene: LeakScan) -> None:
    """Runs that find a stored token, each asset in a process of its own, and databases that are not there."""
    scene.console["again"] = scene.project.execute("good_rotating_full_refresh")
    multiprocess = {"ANALYTICS_EXECUTOR": "multiprocess"}
    scene.console["processes"] = scene.project.execute("error_400_full_refresh", env=multiprocess, ok=False)
    database = f"postgresql://me:{quote(POSTGRES_PASSWORD, safe='')}@127.0.0.1:1/db"
    for environ in (
        {"ANALYTICS_DESTINATION": "postgres", "DESTINATION__POSTGRES__CREDENTIALS": database},
        {"ANALYTICS_TOKEN_STORE": database},
        {"ANALYTICS_TOKEN_STORE": "SOME_DATABASE", "SOME_DATABASE": database.replace("%2F", "/")},
    ):
        console = scene.project.execute("good_rotating_full_refresh", env=environ, ok=False)
        scene.console[", ".join(environ)] = console


def prepared(folder: Path, cases: Mapping[str, Case], variables: Mapping[str, str]) -> Project:
    """A project of these APIs, with all their variables, whose temporary files can be searched, too."""
    environ = {
        f"{name.upper()}_{variable}": value for name, c in cases.items() for variable, value in c.environ.items()
    }
    project = Project(
        folder,
        {
            **variables,
            **environ,
            "ANALYTICS_DEFS_DIR": str(folder / "defs"),
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
        (folder / "defs" / name / "defs.yaml").write_text(yaml.safe_dump(case.document(name)))
    return project


def launch(graphql: GraphQL, job: str) -> None:
    """Launches a job as the UI's button does, and waits for its end."""
    launched = graphql.ask(LAUNCH, job=job)["launchRun"]
    query = f'{{ runOrError(runId: "{launched["run"]["runId"]}") {{ ... on Run {{ status }} }} }}'
    while graphql.ask(query)["runOrError"]["status"] not in ("SUCCESS", "FAILURE", "CANCELED"):
        time.sleep(0.2)


@contextmanager
def serving_self_signed(folder: Path) -> Iterator[str]:
    """An https server with a certificate that nobody vouches for."""
    certificate, key = folder / "certificate.pem", rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name, now = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "127.0.0.1")]), datetime.now(timezone.utc)
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number(), now, now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    written = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    certificate.write_bytes(written + signed.public_bytes(pem))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    with ThreadingHTTPServer(("127.0.0.1", 0), BaseHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_each_case_ends_as_it_was_meant_to(scene: LeakScan) -> None:
    lines = scene.console["all"].splitlines()
    for name, case in scene.cases.items():
        told = [line for line in lines if f"{name}/rows: " in line]
        assert told, name
        if case.said:
            assert [line for line in told if case.said in line], told
        else:
            assert [line for line in told if "3 rows (all history)" in line], told


def test_nobody_else_was_asked(scene: LeakScan) -> None:
    assert scene.elsewhere.requests == []


def test_no_secret_is_left_anywhere(scene: LeakScan, capsys: pytest.CaptureFixture[str]) -> None:
    scan = scene.scan()
    for what, console in scene.console.items():
        scan.text(f"console of {what}", console)
    for what, answer in scene.answers:
        scan.text(f"UI: {what}", answer)
    scan.folder(scene.project.folder, leave_out=[scene.tokens])
    assert sorted(scan.found) == []
    # It would have been found: the token store is made to keep tokens, for its user alone.
    kept = scene.scan()
    kept.folder(scene.tokens)
    assert {what.partition(" ")[0] for _, what in kept.found} == {"access_token", "refresh_token"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in scene.tokens.iterdir())
    with capsys.disabled():
        print(
            f"\nsecrets: {len(scan.secrets)} in {len(scan._forms)} forms, looked for in {scan.bytes_read:,} bytes: none"
        )


def test_no_secret_is_in_a_load_that_hangs_or_was_killed(tmp_path: Path) -> None:
    case = Case(ApiKey(secret("hanging")))
    sandbox = FakeServer([case.api("hanging")])
    sandbox.faults.add(faults.slow(600), path="/hanging/rows", page=2, times=None)
    with serve(sandbox) as url:
        project = prepared(tmp_path / "project", {"hanging": case}, sandbox.variables(url))
        command = ["dagster", "job", "execute", "-m", LOCATION, "-j", "hanging_full_refresh"]
        with (tmp_path / "console").open("wb") as console:
            load = subprocess.Popen(
                command, cwd=project.folder, env=project.env, stdout=console, stderr=console, start_new_session=True
            )
        try:
            while len(sandbox.requests) < 2:
                assert load.poll() is None, (tmp_path / "console").read_text()
                time.sleep(0.05)
            scan = Scan({"hanging": secret("hanging"), "proxy": PROXY_PASSWORD})
            scan.folder(tmp_path)
            scan.processes()
        finally:
            os.killpg(load.pid, signal.SIGKILL)
            load.wait()
    assert list((project.folder / "tmp").glob("analytics_assets_*"))
    scan.folder(tmp_path)
    assert scan.found == set()


def test_no_secret_is_in_the_folder_that_dlt_works_in(any_shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    """dlt reads settings and secrets while a load runs, and writes state beside the rows."""
    monkeypatch.setenv("SOURCES__SHOP__KEY", secret("of-dlt"))
    scan = Scan({"key": secret("of-dlt"), "password": PASSWORD})
    key = {"type": "api_key", "name": "key", "location": "query", "api_key": {"secret": "sources.shop.key"}}
    api = Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=ApiKey(secret("of-dlt"), name="key"))
    with (
        serve(FakeServer([api])) as url,
        prepare(any_shop.request(f"{url}/shop/rows", client={"auth": key})) as load,
    ):
        load.run()
        [file, *_] = load.pipeline.files.paths
        folder = file.parent
        assert (folder / "rows").is_dir()  # of the dlt pipeline
        scan.folder(folder)
    assert any_shop.ids() == [1]
    assert scan.found == set()
    assert not folder.exists()


@pytest.mark.parametrize("encode", range(len(forms(secret("planted")))))
def test_a_planted_secret_is_found_in_each_form(encode: int, tmp_path: Path) -> None:
    scan = Scan({"planted": secret("planted"), "other": secret("other")})
    (tmp_path / "log").write_bytes(b"before " + sorted(forms(secret("planted")))[encode] + b" after")
    scan.folder(tmp_path)
    assert scan.found == {(str(tmp_path / "log"), "planted")}
    assert scan.bytes_read > 40


@pytest.mark.parametrize(
    "name", ["verify", "verify_ssl", "ssl_verify", "verify_tls", "insecure", "cert_reqs", "ca_certs"]
)
def test_no_key_of_the_dialect_switches_verification_off(name: str) -> None:
    with pytest.raises(ValueError, match="unknown key"):
        Client.model_validate({"base_url": "https://api.example.com", name: False})


def test_no_key_is_named_so_that_it_could() -> None:
    keys = set(re.findall(r'"(\w+)": \{', json.dumps(RestApiConfig.model_json_schema())))
    assert {"base_url", "allow_insecure_http", "client_secret"} <= keys
    assert {key for key in keys if re.search("verif|tls|ssl|cert|secure|trust", key)} == {"allow_insecure_http"}
