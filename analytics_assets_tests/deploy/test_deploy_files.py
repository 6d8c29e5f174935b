"""The files of deploy/: each name, path, port and command is one that the code and Dagster have."""

from __future__ import annotations

import json
import re
import subprocess
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import pytest
import yaml
from dagster._config import validate_config
from dagster._core.instance import DagsterInstance
from dagster_docker import DockerRunLauncher
from dagster_k8s import K8sRunLauncher
from kubernetes.client import models as k8s

from analytics_assets_tests.support.postgres import run_postgres
from analytics_assets_tests.support.project import BIN, ROOT

DEPLOY = ROOT / "deploy"
DOCKERFILES = [DEPLOY / "Dockerfile", DEPLOY / "Dockerfile.dagster"]


def read_yaml(path: str) -> Any:
    return yaml.safe_load((DEPLOY / path).read_text())


def variables(path: Path) -> list[str]:
    """The names that an environment file sets."""
    return re.findall(r"^([A-Z_0-9]+)=", path.read_text(), re.MULTILINE)


def snake_case(value: Any) -> Any:
    """Keys as Dagster writes them; the chart's values are in camelCase."""
    if isinstance(value, dict):
        return {re.sub(r"(?=[A-Z])", "_", key).lower(): snake_case(item) for key, item in value.items()}
    return [snake_case(item) for item in value] if isinstance(value, list) else value


def instructions(dockerfile: Path, name: str) -> list[str]:
    text = re.sub(r"\\\n", " ", dockerfile.read_text())
    return [line.removeprefix(name).strip() for line in text.splitlines() if line.startswith(f"{name} ")]


def is_known_command(command: list[str]) -> None:
    """Assert that a command of Dagster exists and has the options, by its own help text."""
    options = [word for word in command[1:] if word.startswith("--")]
    words = [command[0], *(word for word in command[1:4] if re.fullmatch("[a-z-]+", word) and not word.startswith("-"))]
    subcommand = words[: len(words) if len(words) < 4 else 3]
    done = subprocess.run(
        [BIN / subcommand[0], *subcommand[1:], "--help"], capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stderr
    assert not [option for option in options if option not in done.stdout], done.stdout


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfile_copies_files_that_exist_and_are_in_the_build_context(dockerfile: Path) -> None:
    allowed = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")]
    copies = [line for line in instructions(dockerfile, "COPY") if not line.startswith("--from")]
    assert copies
    for source in (source for line in copies for source in line.split()[:-1]):
        assert (ROOT / source).exists(), source
        assert source in allowed, source


@pytest.mark.parametrize("dockerfile", DOCKERFILES, ids=lambda path: path.name)
def test_dockerfile_starts_a_command_that_exists_as_a_user_without_rights(dockerfile: Path) -> None:
    [command] = instructions(dockerfile, "CMD")
    is_known_command(json.loads(command))
    assert instructions(dockerfile, "USER") == ["10001"]
    [port] = instructions(dockerfile, "EXPOSE")
    assert port in json.loads(command)


def test_images_install_extras_and_packages_that_are_pinned() -> None:
    pins = {line.split("==")[0] for line in (ROOT / "constraints.txt").read_text().splitlines()}
    extras = set(re.findall(r"^(\w+) = \[", (ROOT / "pyproject.toml").read_text(), re.MULTILINE))
    [install] = re.findall(r"'\.\[([a-z0-9,]+)\]'", DOCKERFILES[0].read_text())
    assert set(install.split(",")) <= extras
    [packages] = [line for line in instructions(DOCKERFILES[1], "RUN") if "-c constraints.txt" in line]
    assert set(packages.split("constraints.txt")[1].split()) <= pins


def test_every_variable_of_the_run_launcher_is_in_the_environment_file() -> None:
    launcher = read_yaml("dagster.yaml")["run_launcher"]["config"]
    # A listed variable that is not set fails each run: Dagster cannot pass it on.
    assert sorted({*launcher["env_vars"], "DOCKER_GID"}) == sorted(variables(DEPLOY / ".env.example"))


def test_runs_get_every_variable_of_the_project_that_they_need() -> None:
    of_this_machine = {"ANALYTICS_DUCKDB_PATH", "ANALYTICS_STATE_DIR", "ANALYTICS_DEFS_DIR"}  # the image sets them
    listed = set(read_yaml("dagster.yaml")["run_launcher"]["config"]["env_vars"])
    assert set(variables(ROOT / ".env.example")) - of_this_machine <= listed


def test_compose_uses_variables_services_and_dockerfiles_that_exist() -> None:
    text = (DEPLOY / "docker-compose.yaml").read_text()
    assert set(re.findall(r"(?<!\$)\$\{([A-Z_]+)", text)) <= set(variables(DEPLOY / ".env.example"))
    compose = read_yaml("docker-compose.yaml")
    services = compose["services"]
    for name, service in services.items():
        if build := service.get("build"):
            assert (DEPLOY / build["context"] / build["dockerfile"]).is_file()
        assert set(service.get("depends_on", {})) <= services.keys()
        assert all(condition["condition"] == "service_healthy" for condition in service.get("depends_on", {}).values())
        assert "healthcheck" in service or name == "code"  # the image has its own
    assert services["code"]["environment"]["DAGSTER_CURRENT_IMAGE"] == services["code"]["image"]
    for command in (services["daemon"]["command"], services["daemon"]["healthcheck"]["test"][1:]):
        is_known_command(command)


def test_workspace_names_the_service_and_the_port_of_the_code_location() -> None:
    [location] = read_yaml("workspace.yaml")["load_from"]
    server = location["grpc_server"]
    assert server["host"] in read_yaml("docker-compose.yaml")["services"]
    assert str(server["port"]) in instructions(DOCKERFILES[0], "EXPOSE")
    assert f'"--location-name", "{server["location_name"]}"' in DOCKERFILES[0].read_text()


def test_instance_of_the_containers_is_a_dagster_instance_on_postgresql(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "home").mkdir()
    (tmp_path / "home" / "dagster.yaml").write_text((DEPLOY / "dagster.yaml").read_text())
    with run_postgres(tmp_path) as postgres:
        url = urlsplit(postgres.credentials)
        monkeypatch.setenv("PGHOST", unquote(url.netloc.split("@")[1]))  # a socket: a URL cannot name it as a host
        values = {"HOST": "", "DB": url.path[1:], "USER": str(url.username), "PASSWORD": str(url.password)}
        for name, value in values.items():
            monkeypatch.setenv(f"DAGSTER_POSTGRES_{name}", value)
        monkeypatch.setenv("DOCKER_NETWORK", "analytics_assets")
        with DagsterInstance.from_config(str(tmp_path / "home")) as instance:
            assert isinstance(instance.run_launcher, DockerRunLauncher)
            assert instance.run_launcher.networks == ["analytics_assets"]
            assert instance.run_monitoring_enabled
            assert instance.run_retries_enabled
            assert not instance.telemetry_enabled
            assert instance.get_concurrency_config().run_queue_config is not None
            assert instance.get_runs_count() == 0
        assert ("runs",) in postgres.query("SELECT tablename FROM pg_tables")


def test_chart_values_fit_the_launcher_and_kubernetes() -> None:
    values = read_yaml("kubernetes/values.yaml")
    launcher = values["runLauncher"]
    assert launcher["type"] == K8sRunLauncher.__name__
    config = launcher["config"]["k8sRunLauncher"]
    own_keys = {"resources": config["resources"], "run_k8s_config": {}}
    for section, settings in config["runK8sConfig"].items():
        model = {"jobSpecConfig": k8s.V1JobSpec, "podSpecConfig": k8s.V1PodSpec}[section]
        assert set(settings) <= set(model.attribute_map.values())
        own_keys["run_k8s_config"][snake_case({section: {}}).popitem()[0]] = snake_case(settings)
    plain = {key: value for key, value in config.items() if key not in ("resources", "runK8sConfig")}
    required = {"service_account_name": "dagster", "instance_config_map": "instance", "dagster_home": "/opt/dagster"}
    found = validate_config(
        K8sRunLauncher.config_type(),  # type: ignore[no-untyped-call]
        {**required, **snake_case(plain), **own_keys, "postgres_password_secret": "secret"},
    )
    assert found.success, found.errors
    [deployment] = values["dagster-user-deployments"]["deployments"]
    assert set(deployment["resources"]) <= set(k8s.V1ResourceRequirements.attribute_map)
    assert set(deployment["podSecurityContext"]) <= set(k8s.V1PodSecurityContext.attribute_map.values())
    assert set(deployment["securityContext"]) <= set(k8s.V1SecurityContext.attribute_map.values())
    is_known_command(["dagster", "code-server", "start", *deployment["codeServerArgs"]])
    documented = (ROOT / ".env.example").read_text()
    assert not [name for name in deployment["env"] if f"{name}=" not in documented]


def test_chart_has_the_version_of_dagster() -> None:
    [version] = re.findall(r"^dagster==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE)
    for file in (DEPLOY / "kubernetes" / "values.yaml", ROOT / "docs" / "deployment.md"):
        assert f"--version {version} " in file.read_text()
