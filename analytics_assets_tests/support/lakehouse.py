"""A lakehouse: Delta tables in a local folder, or in a bucket of moto's S3 server."""

from __future__ import annotations

import json
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import duckdb
import fsspec
import pyarrow as pa
from deltalake import DeltaTable, write_deltalake
from fsspec import AbstractFileSystem
from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
from werkzeug.serving import WSGIRequestHandler, make_server

ACCESS_KEY, SECRET_KEY, REGION = "lakehouse-key", "lakehouse-secret", "us-east-1"


@dataclass(frozen=True)
class Lakehouse:
    """A folder, or a bucket, with Delta tables.

    Attributes:
        url: The folder, or the bucket.
        environ: dlt's variables that lead to it.
        file_system: Its files.
        storage_options: delta-rs's settings of it.
    """

    url: str
    environ: Mapping[str, str]
    file_system: AbstractFileSystem
    storage_options: Mapping[str, str] = field(default_factory=dict)

    def table(self, dataset: str, name: str) -> DeltaTable:
        """A table, read by delta-rs."""
        return DeltaTable(f"{self.url}/{dataset}/{name}", storage_options=dict(self.storage_options))

    def tables(self, dataset: str) -> set[str]:
        """The tables of a dataset."""
        logs = [path for path in self.files(dataset) if "/_delta_log/" in path]
        return {log.split("/_delta_log/")[0].rsplit("/", 1)[1] for log in logs}

    def files(self, dataset: str) -> list[str]:
        """All files of a dataset."""
        return list(self.file_system.find(f"{self.url}/{dataset}"))

    def loads(self, dataset: str) -> list[tuple[str, int]]:
        """The ids and states that dlt has recorded, in their order."""
        records = [json.loads(self.file_system.cat(path)) for path in self.files(dataset) if "/_dlt_loads/" in path]
        ordered = sorted(records, key=lambda record: record["inserted_at"])
        return [(record["load_id"], record["status"]) for record in ordered]

    def query(self, sql: str, dataset: str) -> list[tuple[Any, ...]]:
        """The rows that a query of the dataset's tables returns. Other statements change copies, which replace them."""
        with duckdb.connect() as connection:
            connection.execute(f"SET TimeZone = 'UTC'; CREATE SCHEMA {dataset}")
            for name in self.tables(dataset):
                connection.register(f"{name}_rows", self.table(dataset, name).to_pyarrow_table())
                connection.execute(f'CREATE TABLE {dataset}."{name}" AS SELECT * FROM "{name}_rows"')
                connection.unregister(f"{name}_rows")
            found = connection.execute(sql)
            if sql.lstrip().upper().startswith("SELECT"):
                return found.fetchall()
            for name in self.tables(dataset):
                rows: pa.Table = connection.sql(f'SELECT * FROM {dataset}."{name}"').to_arrow_table()
                write_deltalake(self.table(dataset, name), rows, mode="overwrite", schema_mode="overwrite")
            return []


@dataclass
class S3Server:
    """moto's S3 server.

    Attributes:
        endpoint: Its URL.
        buckets: How many buckets were made.
    """

    endpoint: str
    buckets: int = field(default=0)

    def new_bucket(self) -> Lakehouse:
        """A bucket of its own."""
        self.buckets += 1
        client = boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            region_name=REGION,
            aws_access_key_id=ACCESS_KEY,
            aws_secret_access_key=SECRET_KEY,
        )
        client.create_bucket(Bucket=f"lake-{self.buckets}")
        credentials = "DESTINATION__FILESYSTEM__CREDENTIALS__"
        environ = {
            "DESTINATION__FILESYSTEM__BUCKET_URL": f"s3://lake-{self.buckets}",
            f"{credentials}AWS_ACCESS_KEY_ID": ACCESS_KEY,
            f"{credentials}AWS_SECRET_ACCESS_KEY": SECRET_KEY,
            f"{credentials}REGION_NAME": REGION,
            f"{credentials}ENDPOINT_URL": self.endpoint,
        }
        storage_options = {
            "aws_access_key_id": ACCESS_KEY,
            "aws_secret_access_key": SECRET_KEY,
            "region": REGION,
            "endpoint_url": self.endpoint,
            "aws_allow_http": "true",
        }
        file_system = fsspec.filesystem(
            "s3", key=ACCESS_KEY, secret=SECRET_KEY, endpoint_url=self.endpoint, use_listings_cache=False
        )
        return Lakehouse(f"s3://lake-{self.buckets}", environ, file_system, storage_options)

    @contextmanager
    def check_credentials(self) -> Iterator[None]:
        """Let the server refuse all keys: it knows none."""
        self._set_unchecked_requests("0")
        try:
            yield
        finally:
            self._set_unchecked_requests("inf")

    def _set_unchecked_requests(self, number: str) -> None:
        """Let the server check credentials after that many requests."""
        request = urllib.request.Request(
            f"{self.endpoint}/moto-api/reset-auth", data=number.encode(), headers={"Content-Type": "text/plain"}
        )
        urllib.request.urlopen(request, timeout=10).close()


class QuietHandler(WSGIRequestHandler):
    """Logs no requests."""

    def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002
        pass


@contextmanager
def run_s3() -> Iterator[S3Server]:
    """The server, on a socket. It handles one request after the other: moto's conditional writes are not atomic."""
    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", 0, app, request_handler=QuietHandler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield S3Server(f"http://127.0.0.1:{server.port}")
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


def local_lakehouse(folder: Path) -> Lakehouse:
    """A folder with Delta tables."""
    return Lakehouse(str(folder), {"DESTINATION__FILESYSTEM__BUCKET_URL": str(folder)}, fsspec.filesystem("file"))
