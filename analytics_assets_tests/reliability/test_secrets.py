"""No secret is left anywhere: after loads and every kind of failure, all that runs have written is searched."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from analytics_assets.rest_api.config import Client, RestApiConfig
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.cases.secret_leaks import LeakCase, secret
from analytics_assets_tests.fake_api import Api, ApiKey, Endpoint, FakeServer, faults, serve
from analytics_assets_tests.harness.leak_project import (
    PROXY_PASSWORD,
    LeakScan,
    leak_project,
    run_leak_cases,
)
from analytics_assets_tests.harness.secret_scanner import SecretScan, encodings
from analytics_assets_tests.support.postgres import PASSWORD
from analytics_assets_tests.support.project import execute_command
from analytics_assets_tests.support.shop import Shop


@pytest.fixture(
    scope="module",
    params=[
        pytest.param("once", marks=pytest.mark.e2e),
        pytest.param("repeated", marks=pytest.mark.soak),
    ],
)
def leaks(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LeakScan]:
    with run_leak_cases(tmp_path_factory.mktemp("secrets"), repeat=request.param == "repeated") as scan:
        yield scan


def test_each_case_loads_or_fails_with_its_error(leaks: LeakScan) -> None:
    console = leaks.consoles["all"]
    for name, case in leaks.cases.items():
        lines = [line for line in console.splitlines() if f"{name}/rows: " in line]
        assert lines, f"{name} has no line in:\n{console[-5000:]}"
        assert any((case.error or "3 rows (all history)") in line for line in lines), lines


def test_no_request_reaches_another_host(leaks: LeakScan) -> None:
    assert leaks.other_server.requests == []


def test_no_secret_is_left_anywhere(leaks: LeakScan, capsys: pytest.CaptureFixture[str]) -> None:
    scan = leaks.new_scan()
    for name, console in leaks.consoles.items():
        scan.scan_text(f"console of {name}", console)
    for name, text in leaks.ui_texts:
        scan.scan_text(f"UI: {name}", text)
    scan.scan_folder(leaks.project.folder, exclude=[leaks.token_folder])
    assert sorted(scan.found) == []
    with capsys.disabled():
        print(
            f"\nsecrets: {len(scan.secrets)} in {scan.encoding_count} encodings, none of them in "
            f"{scan.bytes_read:,} bytes"
        )


def test_scan_finds_the_tokens_in_the_token_store(leaks: LeakScan) -> None:
    """So it would find them elsewhere. Only their owner can read the files."""
    scan = leaks.new_scan()
    scan.scan_folder(leaks.token_folder)
    assert {name.partition(" ")[0] for _, name in scan.found} == {"access_token", "refresh_token"}
    assert all(file.stat().st_mode & 0o777 == 0o600 for file in leaks.token_folder.iterdir())


@pytest.mark.e2e
def test_no_secret_is_written_by_a_load_that_hangs_or_is_killed(tmp_path: Path) -> None:
    case = LeakCase(auth=ApiKey(secret("hanging")))
    server = FakeServer([case.build_api("hanging")])
    server.faults.add(faults.slow(600), path="/hanging/rows", page=2, times=None)
    with serve(server) as url:
        project = leak_project(tmp_path / "project", {"hanging": case}, server.variables(url))
        with (tmp_path / "console").open("wb") as console:
            load = subprocess.Popen(
                execute_command("hanging_full_refresh"),
                cwd=project.folder,
                env=project.env,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        try:
            while len(server.requests) < 2:
                assert load.poll() is None, (tmp_path / "console").read_text()
                time.sleep(0.05)
            scan = SecretScan({"hanging": secret("hanging"), "proxy": PROXY_PASSWORD})
            scan.scan_folder(tmp_path)
            scan.scan_processes()
        finally:
            os.killpg(load.pid, signal.SIGKILL)
            load.wait()
    assert list((project.folder / "tmp").glob("analytics_assets_*"))
    scan.scan_folder(tmp_path)
    assert scan.found == set()


def test_no_secret_is_in_the_working_folder_of_dlt(
    any_shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """dlt reads settings and secrets while a load runs, and writes state beside the rows."""
    monkeypatch.setenv("SOURCES__SHOP__KEY", secret("of-dlt"))
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    scan = SecretScan({"key": secret("of-dlt"), "password": PASSWORD})
    key = {"type": "api_key", "name": "key", "location": "query", "api_key": {"secret": "sources.shop.key"}}
    api = Api("shop", [Endpoint("/rows", [{"id": 1}])], auth=ApiKey(secret("of-dlt"), name="key"))
    with (
        serve(FakeServer([api])) as url,
        prepare(any_shop.request(f"{url}/shop/rows", client={"auth": key})) as load,
    ):
        load.run()
        assert any(path.is_dir() for path in temporary.rglob("rows"))  # of the dlt pipeline
        scan.scan_folder(temporary)
    assert any_shop.ids() == [1]
    assert scan.found == set()
    assert list(temporary.iterdir()) == []


@pytest.mark.parametrize("number", range(len(encodings(secret("planted")))))
def test_scan_finds_a_secret_in_each_encoding(number: int, tmp_path: Path) -> None:
    scan = SecretScan({"planted": secret("planted"), "other": secret("other")})
    (tmp_path / "log").write_bytes(b"before " + sorted(encodings(secret("planted")))[number] + b" after")
    scan.scan_folder(tmp_path)
    assert scan.found == {(str(tmp_path / "log"), "planted")}
    assert scan.bytes_read > 40


@pytest.mark.parametrize(
    "name", ["verify", "verify_ssl", "ssl_verify", "verify_tls", "insecure", "cert_reqs", "ca_certs"]
)
def test_tls_verification_cannot_be_switched_off(name: str) -> None:
    with pytest.raises(ValueError, match="unknown key"):
        Client.model_validate({"base_url": "https://api.example.com", name: False})


def test_no_other_key_is_about_tls_verification() -> None:
    keys = set(re.findall(r'"(\w+)": \{', json.dumps(RestApiConfig.model_json_schema())))
    assert {"base_url", "allow_insecure_http", "client_secret"} <= keys
    assert {key for key in keys if re.search("verif|tls|ssl|cert|secure|trust", key)} == {"allow_insecure_http"}
