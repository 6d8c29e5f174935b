"""OpenAPI documents of three real projects: converted as their servers give them, loaded, rows compared.

Each project is installed into an environment of its own.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path
from typing import Any

import duckdb
import pytest
from dlt.common.normalizers.naming.snake_case import NamingConvention

from analytics_assets.rest_api.config import RestApiConfig, load_config
from analytics_assets.specs import convert
from analytics_assets_tests.specs.openapi.servers import Served, install, served
from analytics_assets_tests.support.loaders import Loader, table_types

COLUMN = NamingConvention().normalize_identifier


class Loaded:
    """An API that its OpenAPI document was converted to.

    Attributes:
        config: The converted file, as it was written.
        loader: Loads its resources.
    """

    def __init__(self, server: Served, api: str, folder: Path, environ: Mapping[str, str], only: Sequence[str] = ()):
        source = folder / "openapi.json"
        source.write_text(json.dumps(server.request(server.document_path)))
        file = folder / api / "defs.yaml"
        file.parent.mkdir()
        file.write_text(convert(source, api=api, only=only).to_yaml())
        self.config: RestApiConfig = load_config(file)
        self.loader = Loader(api, {f"{api.upper()}_BASE_URL": server.url, **environ}, folder)

    def check(self, resource: str, read: Callable[[], Sequence[Mapping[str, Any]]], key: str, parent: str = "") -> int:
        """Load a resource, and compare its table with the records of the API, value by value.

        Args:
            resource: The resource.
            read: Reads the records from the API.
            key: A field that identifies a record.
            parent: A column of the parent that each row must have.

        Returns:
            The number of rows.
        """
        self.loader.load(self.config, resource)
        records = read()  # a login changes a user
        types = table_types(self.loader.file, self.loader.api, resource)
        with duckdb.connect(str(self.loader.file), read_only=True) as connection:
            connection.execute("SET TimeZone = 'UTC'")
            names = ", ".join(f'"{name}"' for name in types)
            rows = connection.execute(f'SELECT {names} FROM "{self.loader.api}"."{resource}"').fetchall()
        stored = {row[list(types).index(COLUMN(key))]: dict(zip(types, row, strict=True)) for row in rows}
        assert len(rows) == len(stored) == len(records)
        for record in records:
            row = stored[record[key]]
            for name, value in record.items():
                if value is not None:
                    assert _decoded(row[COLUMN(name)], value, types[COLUMN(name)]) == value, name
            assert not parent or row[parent]
        return len(rows)


def _data(server: Served, path: str) -> list[dict[str, Any]]:
    records: list[dict[str, Any]] = server.request(path)["data"]
    return records


def _decoded(stored: Any, value: Any, data_type: str) -> Any:
    """A value of the table as the API writes it."""
    if data_type == "JSON" and stored is not None:
        return json.loads(stored)
    if isinstance(stored, datetime) and isinstance(value, str):
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return value if moment.replace(tzinfo=moment.tzinfo or timezone.utc) == stored else stored
    return stored


@pytest.fixture
def optimade(tmp_path: Path) -> Iterator[Served]:
    """A server of crystal structures, with the test data that the package has."""
    bin_folder = install("optimade", tmp_path)
    aliases = {"id": "task_id", "chemical_formula_descriptive": "pretty_formula"}
    settings = {"insert_test_data": True, "database_backend": "mongomock", "aliases": {"structures": aliases}}
    (tmp_path / "optimade.json").write_text(json.dumps(settings))
    with served(
        lambda port: [bin_folder / "uvicorn", "optimade.server.main:app", "--port", str(port)],
        tmp_path,
        {"OPTIMADE_CONFIG_FILE": str(tmp_path / "optimade.json")},
        document_path="/v1/extensions/openapi.json",
    ) as server:
        yield server


@pytest.mark.soak
def test_optimade(optimade: Served, tmp_path: Path) -> None:
    api = Loaded(optimade, "optimade", tmp_path, {})
    assert [resource.name for resource in api.config.resources] == ["links", "references", "structures"]
    for resource, count in {"references": 4, "structures": 17}.items():
        assert api.check(resource, partial(_data, optimade, f"/{resource}?page_limit=500"), "id") == count


@pytest.fixture
def gns3(tmp_path: Path) -> Iterator[Served]:
    """A server of network labs with its templates, and a lab with drawings and a snapshot."""
    bin_folder = install("gns3-server", tmp_path)
    with served(
        lambda port: [bin_folder / "gns3server", "--host", "127.0.0.1", "--port", str(port)], tmp_path, {}
    ) as server:
        token = server.request("/v3/access/users/login", form="username=admin&password=admin")["access_token"]
        server = Served(server.url, {"Authorization": f"Bearer {token}"})
        for name in ("lab one", "lab two"):
            project = server.request("/v3/projects", {"name": name})["project_id"]
            for position in range(3):
                server.request(f"/v3/projects/{project}/drawings", {"svg": "<svg/>", "x": position})
            server.request(f"/v3/projects/{project}/snapshots", {"name": f"snapshot of {name}"})
        yield server


@pytest.mark.e2e
def test_gns3(gns3: Served, tmp_path: Path) -> None:
    environ = {
        "GNS3_TOKEN_URL": f"{gns3.url}/v3/access/users/login",
        "GNS3_CLIENT_ID": "none",
        "GNS3_CLIENT_SECRET": "none",
        "GNS3_USER": "admin",
        "GNS3_PASSWORD": "admin",
    }
    api = Loaded(gns3, "gns3", tmp_path, environ)
    tables = {
        "users": ("/v3/access/users", "user_id"),
        "roles": ("/v3/access/roles", "role_id"),
        "privileges": ("/v3/access/privileges", "privilege_id"),
        "templates": ("/v3/templates", "template_id"),
        "symbols": ("/v3/symbols", "symbol_id"),
        "appliances": ("/v3/appliances", "appliance_id"),
        "projects": ("/v3/projects", "project_id"),
    }
    for resource, (path, key) in tables.items():
        assert api.check(resource, partial(gns3.request, path), key) > 0
    projects = [project["project_id"] for project in gns3.request("/v3/projects")]
    for resource, key, count in (("drawings", "drawing_id", 6), ("snapshots", "snapshot_id", 2)):
        records = [each for project in projects for each in gns3.request(f"/v3/projects/{project}/{resource}")]
        assert api.check(resource, partial(list, records), key, parent="_projects_project_id") == count


@pytest.fixture
def phoenix(tmp_path: Path) -> Iterator[Served]:
    """A server of traces of language models, with projects and datasets."""
    bin_folder = install("arize-phoenix", tmp_path)
    with served(
        lambda port: ["env", f"PHOENIX_PORT={port}", bin_folder / "phoenix", "serve"],
        tmp_path,
        {
            "PHOENIX_WORKING_DIR": str(tmp_path),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_GRPC_PORT": "0",
            "PHOENIX_TELEMETRY_ENABLED": "false",
        },
    ) as server:
        for number in range(205):
            server.request("/v1/projects", {"name": f"project {number}", "description": f"the {number}th"})
        for number in range(3):
            examples = [{"question": f"{number}.{each}"} for each in range(4)]
            dataset = {"action": "create", "name": f"dataset {number}", "inputs": examples, "outputs": examples}
            server.request("/v1/datasets/upload?sync=true", dataset)
        yield server


@pytest.mark.soak
def test_phoenix(phoenix: Served, tmp_path: Path) -> None:
    api = Loaded(phoenix, "phoenix", tmp_path, {}, only=["projects", "datasets", "examples", "dataset_versions"])
    assert api.check("projects", partial(_data, phoenix, "/v1/projects?limit=1000"), "id") > 205
    datasets = _data(phoenix, "/v1/datasets?limit=1000")
    assert api.check("datasets", partial(list, datasets), "id") == 3
    examples = [
        each
        for dataset in datasets
        for each in phoenix.request(f"/v1/datasets/{dataset['id']}/examples")["data"]["examples"]
    ]
    assert api.check("examples", partial(list, examples), "id", parent="_datasets_id") == 12
