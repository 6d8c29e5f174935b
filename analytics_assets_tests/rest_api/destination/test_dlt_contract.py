"""What this package relies on in dlt beyond its documentation. docs/architecture.md says what breaks with each item.

Each test asks dlt itself, with as little of this package as can be. Also run against the newest dlt.
"""

from __future__ import annotations

import inspect
import logging
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import dlt
import psycopg2
import pytest
from dlt.common.configuration.container import Container
from dlt.common.configuration.specs import RuntimeConfiguration
from dlt.common.configuration.utils import get_resolved_traces
from dlt.common.destination import Destination
from dlt.common.destination.client import JobClientBase, RunnableLoadJob
from dlt.common.libs.deltalake import deltalake_storage_options
from dlt.common.normalizers.naming.snake_case import NamingConvention
from dlt.common.pipeline import PipelineContext
from dlt.common.runtime import telemetry
from dlt.destinations import duckdb, filesystem, postgres
from dlt.destinations.exceptions import DatabaseException, DatabaseTerminalException
from dlt.destinations.impl.duckdb.duck import DuckDbClient
from dlt.destinations.impl.filesystem.filesystem import FilesystemClient
from dlt.destinations.impl.postgres.configuration import PostgresCredentials
from dlt.destinations.impl.postgres.postgres import PostgresClient
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient
from dlt.destinations.job_client_impl import SqlJobClientBase
from dlt.extract import DltSource
from dlt.pipeline.configuration import PipelineConfiguration
from dlt.pipeline.exceptions import PipelineStepFailed

from analytics_assets_tests.support.lakehouse import ACCESS_KEY, Lakehouse

MANIFEST = '["a.parquet", "b.parquet"]'
COLUMNS: Any = {
    "id": {"name": "id", "data_type": "bigint", "nullable": False},
    "tags": {"name": "tags", "data_type": "json"},
    "at": {"name": "at", "data_type": "timestamp", "precision": 6},
}


@dataclass
class Probe:
    """A dlt pipeline with one table, which records what dlt does with a manifest."""

    folder: Path
    run_job: Callable[[Any], None] = lambda job: None  # noqa: ARG005
    jobs: list[dict[str, Any]] = field(default_factory=list)
    forced: list[bool] = field(default_factory=list)
    clients: list[Any] = field(default_factory=list)
    _pipeline: Any = None

    def destination(self) -> Any:
        probe = self

        class Job(RunnableLoadJob):
            def run(self) -> None:
                job: Any = self
                probe.jobs.append(
                    {
                        "text": Path(job._file_path).read_text(),
                        "load_id": job._load_id,
                        "table": job._load_table,
                        "client": job._job_client,
                        "thread": threading.current_thread().name,
                    }
                )
                probe.run_job(self)

        class Client(DuckDbClient):
            def create_load_job(self, table: Any, file_path: str, load_id: str, restore: bool = False) -> Any:
                if table["name"] == "rows":
                    return Job(file_path)
                return super().create_load_job(table, file_path, load_id, restore)

            def update_stored_schema(
                self, only_tables: Any = None, expected_update: Any = None, force: bool = False
            ) -> Any:
                probe.forced.append(force)
                return super().update_stored_schema(only_tables, expected_update, force=True)

        class ProbeDestination(duckdb):
            @property
            def client_class(self) -> Any:
                return Client

            def _raw_capabilities(self) -> Any:
                capabilities = super()._raw_capabilities()
                capabilities.supported_loader_file_formats = ["jsonl"]
                capabilities.preferred_loader_file_format = "jsonl"
                return capabilities

            def client(self, schema: Any, initial_config: Any = None) -> Any:
                client = super().client(schema, initial_config)
                probe.clients.append(client)
                return client

        return ProbeDestination(
            credentials=str(self.folder / "probe.duckdb"),
            destination_name="duckdb",
            enable_dataset_name_normalization=False,
        )

    @property
    def pipeline(self) -> Any:
        if self._pipeline is None:
            self._pipeline = dlt.pipeline(
                "probe", pipelines_dir=str(self.folder), destination=self.destination(), dataset_name="Data-1.x"
            )
            self._pipeline.config.restore_from_destination = False
            self._pipeline.config.enable_runtime_trace = False
        return self._pipeline

    def extract(self) -> None:
        def manifest() -> Iterator[Any]:
            path = self.folder / "manifest.jsonl"
            path.write_text(MANIFEST)
            yield dlt.mark.with_file_import(str(path), "jsonl", 2, dlt.mark.make_hints(columns=COLUMNS))

        resource = dlt.resource(manifest, name="rows", write_disposition="append", file_format="parquet")
        self.pipeline.extract(DltSource(dlt.Schema("rows"), "rest_api", [resource]))

    def load(self) -> Any:
        self.extract()
        self.pipeline.normalize()
        return self.pipeline.load()

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with self.pipeline.destination_client() as client:
            return list(client.sql_client.execute_sql(sql) or [])


@pytest.fixture
def probe(tmp_path: Path) -> Iterator[Probe]:
    probe = Probe(tmp_path)
    yield probe
    Container()[PipelineContext].deactivate()


def test_a_manifest_reaches_one_job_as_it_was_written(probe: Probe) -> None:
    """Parquet files would be rewritten, and joined in another order, when columns are added."""
    info = probe.load()
    [job] = probe.jobs
    assert job["text"] == MANIFEST
    assert job["load_id"] == info.loads_ids[0]
    assert job["client"] in probe.clients  # made by the destination's own `client`
    assert job["table"]["name"] == "rows"
    assert job["table"]["columns"] == COLUMNS  # in this order, and none of dlt's own
    assert job["table"]["file_format"] == "parquet"


def test_the_table_exists_before_its_job_runs(probe: Probe) -> None:
    found: list[Any] = []
    probe.run_job = lambda job: found.append(dict(job._job_client.get_storage_tables(["rows"])))
    probe.load()
    assert [{name: column["data_type"] for name, column in tables["rows"].items()} for tables in found] == [
        {"id": "bigint", "tags": "json", "at": "timestamp"}
    ]


def test_a_completed_load_is_recorded_under_its_id(probe: Probe) -> None:
    info = probe.load()
    assert probe.query('SELECT load_id, status FROM "Data-1.x"._dlt_loads') == [(info.loads_ids[0], 0)]


def test_without_restore_no_state_is_loaded(probe: Probe) -> None:
    probe.load()
    tables = "SELECT table_name FROM information_schema.tables ORDER BY 1"
    assert probe.query(tables) == [("_dlt_loads",), ("_dlt_version",), ("rows",)]


def test_settings_of_a_pipeline_are_read_when_it_runs() -> None:
    settings = PipelineConfiguration.get_resolvable_fields()
    assert {"restore_from_destination", "enable_runtime_trace"} <= settings.keys()


def test_without_runtime_trace_nothing_is_tracked(probe: Probe) -> None:
    probe.load()
    assert probe.pipeline.last_trace is None


def test_nothing_extracted_is_nothing_loaded(probe: Probe) -> None:
    resource = dlt.resource(iter([]), name="rows", write_disposition="append", file_format="parquet")
    probe.pipeline.extract(DltSource(dlt.Schema("rows"), "rest_api", [resource]))
    probe.pipeline.normalize()
    assert probe.pipeline.load().loads_ids == []
    assert probe.jobs == []


def test_a_forced_schema_update_finds_a_dropped_table(probe: Probe) -> None:
    """dlt trusts its stored schema: without force a dropped table, or column, would be missing."""
    probe.load()
    probe.query('DROP TABLE "Data-1.x".rows')
    probe.load()
    assert probe.forced == [False, False]
    assert probe.query('SELECT * FROM "Data-1.x".rows') == []


def test_a_client_needs_no_schema_of_the_pipeline(probe: Probe) -> None:
    """To look at the stored table before anything was extracted."""
    client = probe.pipeline.destination_client()
    assert isinstance(client, SqlJobClientBase)
    sql = client.sql_client
    sql.open_connection()
    assert not client.is_storage_initialized()
    assert sql.dataset_name == "Data-1.x"
    assert sql.make_qualified_table_name("rows").endswith('"Data-1.x"."rows"')
    assert sql.escape_column_name('say "hi"') == '"say ""hi"""'
    with sql.begin_transaction():
        sql.execute_sql("CREATE TABLE rolled_back (id BIGINT)")
        sql.execute_sql("SELECT 1")
        sql.rollback_transaction()
    with pytest.raises(DatabaseException) as caught:
        sql.execute_sql("SELECT * FROM rolled_back")
    assert type(caught.value.dbapi_exception).__name__ == "CatalogException"
    sql.close_connection()


@pytest.mark.parametrize(
    ("error", "attempts"), [(DatabaseTerminalException(ValueError()), 1), (RuntimeError("may pass"), 2)]
)
def test_a_job_that_fails_is_tried_again_unless_its_error_is_terminal(
    probe: Probe, monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int
) -> None:
    def fail(job: Any) -> None:
        raise error

    probe.run_job = fail
    monkeypatch.setenv("LOAD__RAISE_ON_MAX_RETRIES", "2")
    with pytest.raises(PipelineStepFailed) as caught:
        probe.load()
    assert len(probe.jobs) == attempts
    links: list[BaseException | None] = [caught.value]
    while links[-1] is not None and links[-1] is not error:
        links.append(getattr(links[-1], "exception", None) or links[-1].__cause__ or links[-1].__context__)
    assert links[-1] is error  # the chain that error_translation.py follows


def test_log_records_come_from_the_thread_or_its_pool(probe: Probe) -> None:
    records: list[logging.LogRecord] = []
    handler = logging.Handler()
    handler.emit = records.append  # type: ignore[assignment,method-assign]

    def fail(job: Any) -> None:
        raise DatabaseTerminalException(ValueError())

    probe.run_job = fail
    logger = logging.getLogger(probe.pipeline.run_context.name)
    logger.addHandler(handler)
    try:
        with pytest.raises(PipelineStepFailed):
            probe.load()
    finally:
        logger.removeHandler(handler)
    assert logger.name == "dlt"
    assert records
    here, pool = threading.get_ident(), Container.thread_pool_prefix()
    assert all(record.thread == here or str(record.threadName).startswith(pool) for record in records)
    assert probe.jobs[0]["thread"].startswith(pool)


def test_the_active_pipeline_is_the_threads_own(probe: Probe) -> None:
    seen: list[bool] = []
    pipeline = probe.pipeline
    assert Container()[PipelineContext].pipeline() is pipeline
    thread = threading.Thread(target=lambda: seen.append(Container()[PipelineContext].is_active()))
    thread.start()
    thread.join()
    assert seen == [False]


def test_resolved_settings_are_recorded_until_they_are_cleared(probe: Probe) -> None:
    """The record keeps clients alive, through the frames of errors."""
    probe.load()
    record = get_resolved_traces()
    assert record.all_traces
    record.clear()
    assert not get_resolved_traces().all_traces


def test_telemetry_that_was_started_without_tracker_stays_so(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[Any] = []
    monkeypatch.setattr(telemetry, "_TELEMETRY_STARTED", False)
    monkeypatch.setattr(telemetry, "init_anon_tracker", started.append)
    telemetry.start_telemetry(RuntimeConfiguration(dlthub_telemetry=False))
    assert telemetry.is_telemetry_started()
    telemetry.start_telemetry(RuntimeConfiguration(dlthub_telemetry=True))
    assert started == []


@pytest.mark.parametrize(
    ("owner", "method", "parameters"),
    [
        (JobClientBase, "create_load_job", ["table", "file_path", "load_id", "restore"]),
        (JobClientBase, "update_stored_schema", ["only_tables", "expected_update", "force"]),
        (JobClientBase, "prepare_load_table", ["table_name"]),
        (SqlJobClientBase, "get_storage_tables", ["table_names"]),
        (Destination, "client", ["schema", "initial_config"]),
        (Destination, "capabilities", ["config", "naming"]),
        (Destination, "configuration", ["initial_config", "accept_partial"]),
        (Destination, "_raw_capabilities", []),
    ],
)
def test_methods_that_are_overridden_or_called(owner: type, method: str, parameters: list[str]) -> None:
    assert list(inspect.signature(getattr(owner, method)).parameters)[1:] == parameters


def test_json_is_json_and_not_jsonb_on_postgres_if_the_data_is_parquet() -> None:
    capabilities = postgres().capabilities()
    mapper = capabilities.get_type_mapper()
    assert mapper.to_destination_type(COLUMNS["tags"], {"file_format": "parquet"}) == "json"
    assert mapper.to_destination_type(COLUMNS["at"], {}) == "timestamp (6) with time zone"
    assert capabilities.max_column_identifier_length == 63


def test_a_time_zone_of_the_session_is_a_startup_option_of_postgres() -> None:
    credentials = PostgresCredentials("postgresql://me@host/db")
    credentials.session_timezone = "UTC"
    assert credentials.get_query()["options"] == "-ctimezone=UTC"


def test_the_query_of_credentials_of_postgres_has_parameters_of_the_connection() -> None:
    credentials = PostgresCredentials("postgresql://me@host/db")
    credentials.query = {"keepalives_idle": 30}
    assert "keepalives_idle=30" in credentials.to_native_representation()


def test_psycopg2_errors_have_classes_of_their_own() -> None:
    make = Psycopg2SqlClient._make_database_exception
    assert isinstance(make(psycopg2.DataError("no")), DatabaseTerminalException)
    assert not isinstance(make(psycopg2.OperationalError("gone")), DatabaseTerminalException)
    assert issubclass(PostgresClient, SqlJobClientBase)


def test_names_are_snake_case_and_shortened() -> None:
    naming = NamingConvention(20)
    assert naming.normalize_identifier("createdAt") == "created_at"
    assert naming.normalize_identifier("rank_") == "rankx"  # none ends with an underscore: those are this package's
    assert len(naming.normalize_identifier("a" * 30)) == 20
    assert naming.shorten_fragments("amount", "v_text") == "amount__v_text"


def test_statements_for_missing_tables_are_known_and_a_schema_is_stored_under_its_hash(probe: Probe) -> None:
    probe.extract()
    with probe.pipeline.destination_client() as client:
        own_tables = client.schema.dlt_table_names()
        assert {"_dlt_loads", "_dlt_version"} <= set(own_tables)

        def missing() -> list[str]:
            return list(client._build_schema_update_sql(list(client.get_storage_tables(own_tables)))[0])

        client.sql_client.create_dataset()
        statements = missing()
        assert len(statements) == len(own_tables)
        for statement in statements:
            client.sql_client.execute_sql(statement)
        assert missing() == []
        version_hash = client.schema.stored_version_hash
        assert client.get_stored_schema_by_hash(version_hash) is None
        client._update_schema_in_storage(client.schema)
        assert client.get_stored_schema_by_hash(version_hash).version_hash == version_hash


def test_a_client_of_files_knows_its_folders_and_records_schemas_and_loads(tmp_path: Path) -> None:
    destination = filesystem(bucket_url=str(tmp_path / "lake"), enable_dataset_name_normalization=False)
    pipeline = dlt.pipeline("files", pipelines_dir=str(tmp_path), destination=destination, dataset_name="Data-1.x")
    schema = dlt.Schema("rows")
    schema._bump_version()
    with pipeline._get_destination_clients(schema)[0] as client:
        assert isinstance(client, FilesystemClient)
        assert client.is_local_filesystem
        assert client.bucket_path == str(tmp_path / "lake")
        assert client.dataset_path == f"{tmp_path}/lake/Data-1.x/"
        assert client.get_table_dir("rows").rstrip("/") == f"{client.dataset_path}rows"
        assert client.make_remote_url(client.dataset_path).rstrip("/") == f"file://{tmp_path}/lake/Data-1.x"
        client.initialize_storage()
        client.update_stored_schema()
        client.complete_load("1.5")
        for table in ("_dlt_version", "_dlt_loads"):
            assert [path for path in client.fs_client.find(client.get_table_dir(table)) if path.endswith(".jsonl")]
    Container()[PipelineContext].deactivate()


def test_the_file_system_of_a_bucket_has_the_settings_that_it_was_made_with(lakehouse: Lakehouse) -> None:
    pipeline = dlt.pipeline("bucket", destination=filesystem(), dataset_name="rows")
    client: Any = pipeline._get_destination_clients(dlt.Schema("rows"))[0]
    assert client.fs_client.storage_options["key"] == ACCESS_KEY
    options = deltalake_storage_options(client.config.credentials, client.config.deltalake_storage_options)
    assert options["aws_access_key_id"] == ACCESS_KEY
    Container()[PipelineContext].deactivate()
