"""One table's pipeline: files in order, wider columns, tables without rows, and dlt kept apart from other pipelines."""

from __future__ import annotations

import logging
import os
import tempfile
import threading
from collections.abc import Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import dlt
import pyarrow as pa
import pytest
from dlt.common.configuration.container import Container
from dlt.common.pipeline import PipelineContext

from analytics_assets.rest_api.arrow.column_types import ColumnType
from analytics_assets.rest_api.arrow.numbers import Widening
from analytics_assets.rest_api.destination.dlt_runtime import DLT_LOGGER
from analytics_assets.rest_api.destination.pipeline import TablePipeline, table_pipeline
from analytics_assets.rest_api.destination.plan import Mode, Plan
from analytics_assets.rest_api.errors import DataError, ResponseError, WarehouseError
from analytics_assets_tests.fake_api import faults, serve_endpoint
from analytics_assets_tests.rest_api.destination.endpoints import ENDPOINT, ROWS
from analytics_assets_tests.support.shop import Shop

BIGINT, DOUBLE, TEXT = ColumnType("bigint"), ColumnType("double"), ColumnType("text")
HUGE = ColumnType("decimal")  # decimal(38, 0)
TO_DOUBLE = Widening(BIGINT, DOUBLE, {"bigint": "n__v_bigint", "decimal": "n__v_decimal"})
LOG = logging.getLogger("analytics_assets")
KEYED = Plan("rows", "merge", ("id",))


@dataclass(frozen=True)
class Loader:
    """Loads Arrow tables into shop.rows."""

    shop: Shop

    def load(
        self,
        *batches: Mapping[str, list[Any]],
        columns: Mapping[str, ColumnType],
        plan: Plan = KEYED,
        widen: Mapping[str, Widening] | None = None,
    ) -> TablePipeline:
        """Each batch is a table of columns by name."""
        tables = [
            pa.table({name: pa.array(values, type=_arrow(values, columns[name])) for name, values in batch.items()})
            for batch in batches
        ]
        with table_pipeline(self.shop.warehouse, plan, dataset=self.shop.dataset, log=LOG) as pipeline:
            pipeline.stored_columns()
            pipeline.extract(
                tables,
                columns=lambda: {
                    name: column.dlt_column(name, nullable=name not in plan.primary_key)
                    for name, column in columns.items()
                },
                required=plan.primary_key,
            )
            pipeline.normalize()
            pipeline.load(widen=widen)
        return pipeline

    def rows(self, names: str) -> list[tuple[Any, ...]]:
        return self.shop.query(f"SELECT {names} FROM shop.rows ORDER BY id")


def _arrow(values: list[Any], column: ColumnType) -> pa.DataType:
    """The type of a batch: a batch of whole numbers was converted before its column became a double."""
    return pa.int64() if column == DOUBLE and {int} == {*map(type, values)} else column.arrow


@pytest.fixture
def loader(any_shop: Shop) -> Loader:
    return Loader(any_shop)


@pytest.mark.parametrize("write_disposition", ["merge", "replace"])
def test_last_row_of_a_key_wins_across_files(
    loader: Loader, monkeypatch: pytest.MonkeyPatch, write_disposition: Mode
) -> None:
    monkeypatch.setattr("analytics_assets.rest_api.destination.parquet_files.ROWS_PER_FILE", 3)
    batches = [{"id": [0, 1, number % 4 + 2], "v": [number] * 3} for number in range(40)]
    plan = replace(KEYED, mode=write_disposition)
    for _ in range(2):
        pipeline = loader.load(*batches, columns={"id": BIGINT, "v": BIGINT}, plan=plan)
        assert len(pipeline.files.paths) == 40
        assert loader.rows("id, v") == [(0, 39), (1, 39), (2, 36), (3, 37), (4, 38), (5, 39)]


def test_new_columns_are_null_in_earlier_rows(loader: Loader) -> None:
    columns = {"id": BIGINT, "a": TEXT, "b": ColumnType("json"), "c": ColumnType("timestamp")}
    batches: list[dict[str, list[Any]]] = [
        {"id": [1], "a": ["x"]},
        {"id": [2], "b": ['{"k":1}']},
        {"id": [3], "a": [None]},
    ]
    for _ in range(2):
        loader.load(*batches, columns=columns)
        found = loader.rows("id, a, CAST(b AS VARCHAR), c")
        assert found == [(1, "x", None, None), (2, None, '{"k":1}', None), (3, None, None, None)]


def test_type_is_widened_within_a_load(loader: Loader) -> None:
    for _ in range(2):
        loader.load({"id": [1, 2], "n": [7, None]}, {"id": [3], "n": [0.5]}, columns={"id": BIGINT, "n": DOUBLE})
        assert loader.rows("id, n") == [(1, 7.0), (2, None), (3, 0.5)]
    [[first]] = loader.shop.query("SELECT DISTINCT _dlt_load_id FROM shop.rows")  # unchanged rows are not rewritten
    assert loader.shop.query("SELECT load_id FROM shop._dlt_loads ORDER BY inserted_at LIMIT 1") == [(first,)]


@pytest.mark.parametrize("mode", ["merge", "replace", "append"])
@pytest.mark.parametrize(
    ("stored", "wider", "value"), [(BIGINT, DOUBLE, 0.5), (BIGINT, HUGE, Decimal(2**70)), (HUGE, DOUBLE, 0.5)]
)
def test_stored_column_is_widened_and_keeps_its_values(
    loader: Loader, mode: Mode, stored: ColumnType, wider: ColumnType, value: object
) -> None:
    plan = replace(KEYED, mode=mode)
    old = [Decimal(n) for n in (2**53, -(2**53))] if stored == HUGE else [2**53, -(2**53)]
    loader.load({"id": [1, 2], "n": old}, columns={"id": BIGINT, "n": stored})
    widening = Widening(stored, wider, TO_DOUBLE.variants if wider == DOUBLE else {})
    columns = {"id": BIGINT, "n": wider}
    pipeline = loader.load({"id": [3], "n": [value]}, columns=columns, plan=plan, widen={"n": widening})
    assert list(pipeline.report.columns) == ["id", "n", "_dlt_load_id"]
    assert pipeline.report.columns["n"].can_store(wider)
    kept = [] if mode == "replace" else [(1, 2**53), (2, -(2**53))]
    assert loader.rows("id, n") == [*kept, (3, value)]
    # The type is kept when the column is declared no more, and by a full refresh.
    loader.load({"id": [3], "n": [value]}, columns={"id": BIGINT, "n": wider}, plan=plan)
    assert loader.rows("id, n") == [*kept, *([(3, value)] * (2 if mode == "append" else 1))]


def test_widening_is_rolled_back_with_a_failed_load(loader: Loader) -> None:
    loader.load({"id": [1], "n": [1], "value": ["a"]}, columns={"id": BIGINT, "n": BIGINT, "value": TEXT})
    loader.shop.query("DROP TABLE shop.rows")
    loader.shop.query(
        "CREATE TABLE shop.rows (id BIGINT, n BIGINT, value VARCHAR CHECK (value <> 'b'), _dlt_load_id VARCHAR)"
    )
    loader.shop.query("INSERT INTO shop.rows VALUES (1, 1, 'a', 'first')")
    columns = {"id": BIGINT, "n": DOUBLE, "value": TEXT}
    with pytest.raises(Exception, match="value"):
        loader.load({"id": [2], "n": [0.5], "value": ["b"]}, columns=columns, widen={"n": TO_DOUBLE})
    assert loader.rows("id, n, value") == [(1, 1, "a")]
    with table_pipeline(loader.shop.warehouse, KEYED, dataset="shop", log=LOG) as pipeline:
        assert pipeline.stored_columns()["n"] == BIGINT


@pytest.mark.parametrize(
    ("stored", "value", "variant"),
    [
        (BIGINT, 0, None),
        (BIGINT, 2**53, None),
        (BIGINT, 2**53 + 1, "n__v_bigint"),
        (BIGINT, -(2**53) - 1, "n__v_bigint"),
        (BIGINT, 2**53 + 2, None),
        (BIGINT, 2**54 + 2, "n__v_bigint"),
        (BIGINT, 2**54 + 4, None),
        (BIGINT, 2**62, None),
        (BIGINT, -(2**63), None),
        (BIGINT, 2**63 - 1, "n__v_bigint"),
        (HUGE, Decimal(2**53 + 1), "n__v_bigint"),
        (HUGE, Decimal(2**90), None),
        (HUGE, Decimal(2**90 + 1), "n__v_decimal"),
        (HUGE, Decimal(2**126 + 2**74), None),
        (HUGE, Decimal(10**38 - 1), "n__v_decimal"),
        (HUGE, Decimal(1 - 10**38), "n__v_decimal"),
        (BIGINT, None, None),
    ],
)
def test_numbers_that_a_double_does_not_hold_move_to_a_variant_column(
    loader: Loader, stored: ColumnType, value: int | Decimal | None, variant: str | None
) -> None:
    loader.load({"id": [1, 2], "n": [value, Decimal(1) if stored == HUGE else 1]}, columns={"id": BIGINT, "n": stored})
    widening = replace(TO_DOUBLE, old=stored)
    report = loader.load({"id": [3], "n": [0.5]}, columns={"id": BIGINT, "n": DOUBLE}, widen={"n": widening}).report
    assert list(report.columns) == ["id", "n", "_dlt_load_id", *([variant] if variant else [])]
    assert report.columns["n"] == DOUBLE
    assert loader.rows("id, n") == [(1, None if variant else value), (2, 1.0), (3, 0.5)]
    if variant:
        assert loader.rows(f"id, {variant}") == [(1, value), (2, None), (3, None)]


def test_a_variant_column_keeps_its_values_when_stored_numbers_move_to_it(loader: Loader) -> None:
    columns = {"id": BIGINT, "n": BIGINT, "n__v_bigint": BIGINT}
    loader.load({"id": [1, 2], "n": [None, 2**53 + 1], "n__v_bigint": [7, None]}, columns=columns)
    loader.load({"id": [3], "n": [0.5]}, columns={**columns, "n": DOUBLE}, widen={"n": TO_DOUBLE})
    assert loader.rows("n, n__v_bigint") == [(None, 7), (None, 2**53 + 1), (0.5, None)]


def test_a_column_that_another_run_has_just_widened_is_not_widened_again(loader: Loader) -> None:
    loader.load({"id": [1], "n": [1.5]}, columns={"id": BIGINT, "n": DOUBLE})
    loader.load({"id": [2], "n": [0.5]}, columns={"id": BIGINT, "n": DOUBLE}, widen={"n": TO_DOUBLE})
    assert loader.rows("id, n") == [(1, 1.5), (2, 0.5)]


def test_only_whole_numbers_are_widened(loader: Loader) -> None:
    loader.load({"id": [1], "n": ["1"]}, columns={"id": BIGINT, "n": TEXT})
    with pytest.raises(Exception, match=r"'n' of shop\.rows is text in the warehouse and double in this load"):
        loader.load({"id": [2], "n": [0.5]}, columns={"id": BIGINT, "n": DOUBLE}, widen={"n": TO_DOUBLE})


@pytest.mark.parametrize("plan", [KEYED, replace(KEYED, mode="replace", recreate_table=True)])
def test_declared_columns_exist_without_any_row(loader: Loader, plan: Plan) -> None:
    columns = {"id": BIGINT, "at": ColumnType("timestamp"), "n": DOUBLE}
    report = loader.load(columns=columns, plan=plan).report
    assert list(report.columns) == ["id", "at", "n", "_dlt_load_id"]
    assert (report.name, report.total_rows) == ("shop.rows", 0)
    report = loader.load(columns={**columns, "more": TEXT}, plan=plan).report
    assert report.columns["more"] == TEXT
    assert report.total_rows == 0


def test_empty_read_creates_no_table_without_its_key_columns(loader: Loader) -> None:
    pipeline = loader.load(columns={"n": DOUBLE})
    assert pipeline.report.columns == {}
    assert loader.shop.tables() == set()


def test_empty_read_empties_a_replaced_table(loader: Loader) -> None:
    plan = replace(KEYED, mode="replace")
    loader.load({"id": [1]}, columns={"id": BIGINT}, plan=plan)
    assert loader.load(columns={"id": BIGINT}, plan=plan).report.total_rows == 0


@pytest.mark.parametrize("fails", [False, True])
def test_environment_is_not_changed(loader: Loader, fails: bool) -> None:
    before = dict(os.environ)
    if fails:
        loader.load({"id": [1], "n": ["1"]}, columns={"id": BIGINT, "n": TEXT})
        with pytest.raises(Exception, match="is text in the warehouse and bigint in this load"):
            loader.load({"id": [1], "n": [1]}, columns={"id": BIGINT, "n": BIGINT})
    else:
        loader.load({"id": [1]}, columns={"id": BIGINT})
    assert dict(os.environ) == before


def test_other_pipelines_of_the_process_keep_their_settings(shop: Shop, tmp_path: Path) -> None:
    def create_plain() -> Any:
        destination = dlt.destinations.duckdb(str(tmp_path / "plain.duckdb"))
        return dlt.pipeline("plain", pipelines_dir=str(tmp_path), destination=destination, dataset_name="plain_data")

    plain = create_plain()
    before = dict(plain.config), dict(plain.run_context.runtime_config)
    Loader(shop).load({"id": [1]}, columns={"id": BIGINT})
    assert dlt.pipeline() is plain  # still the active one
    assert logging.getLogger(DLT_LOGGER).filters == []
    plain = create_plain()
    assert (dict(plain.config), dict(plain.run_context.runtime_config)) == before
    plain.run([{"id": 1}], table_name="things")
    with plain.sql_client() as client:
        assert len(client.execute_sql("SELECT _dlt_id, _dlt_load_id FROM things")) == 1
        assert len(client.execute_sql("SELECT * FROM _dlt_pipeline_state")) == 1  # as dlt does by default
    plain.deactivate()


def test_no_pipeline_is_active_after_a_load(shop: Shop) -> None:
    Container()[PipelineContext].deactivate()
    Loader(shop).load({"id": [1]}, columns={"id": BIGINT})
    assert not Container()[PipelineContext].is_active()


def test_parallel_threads_load_into_one_dataset(any_shop: Shop) -> None:
    tables, errors = [f"rows_{number}" for number in range(4)], []
    start = threading.Barrier(len(tables))

    def load(table: str) -> None:
        start.wait()
        try:
            columns = {"id": BIGINT, "v": TEXT}
            plan = replace(KEYED, table=table)
            Loader(any_shop).load({"id": [*range(100)], "v": [table] * 100}, columns=columns, plan=plan)
        except Exception as error:
            errors.append(error)

    threads = [threading.Thread(target=load, args=[table]) for table in tables]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    for table in tables:
        assert any_shop.query(f"SELECT COUNT(*), MIN(v), MAX(v) FROM shop.{table}") == [(100, table, table)]
    assert logging.getLogger(DLT_LOGGER).filters == []


@pytest.mark.parametrize("level", [None, "WARNING"])
def test_dlt_log_records_of_a_load_are_discarded_by_default(
    any_shop: Shop, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, level: str | None
) -> None:
    """Its records quote SQL and the values of rows."""
    if level:
        monkeypatch.setenv("RUNTIME__LOG_LEVEL", level)
    columns = {"id": BIGINT, "value": TEXT}
    loader = Loader(any_shop)
    loader.load({"id": [1], "value": ["a"]}, columns=columns)
    any_shop.reject("secret@example.com")
    logger = logging.getLogger(DLT_LOGGER)
    logger.addHandler(caplog.handler)
    try:
        with pytest.raises(Exception, match="value"):
            loader.load({"id": [2], "value": ["secret@example.com"]}, columns=columns)
    finally:
        logger.removeHandler(caplog.handler)
    assert bool(caplog.records) is bool(level)


@pytest.mark.parametrize(
    ("fault", "problem", "keys"),
    [
        (None, "", {}),
        (faults.status(500), "returned 500", {}),
        (None, "is null or missing", {"primary_key": ("nothing",)}),
        (None, "failed with ConstraintException", {}),
    ],
)
def test_temporary_folder_is_removed(
    shop: Shop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: Any, problem: str, keys: dict[str, Any]
) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(temp))
    before = Path.cwd(), {*Path.cwd().iterdir()}, {*Path.home().iterdir()}
    with serve_endpoint(ROWS) as (sandbox, url):
        if "Constraint" in problem:
            shop.load(url, endpoint=ENDPOINT)
            shop.reject("new")
            sandbox.set_rows("shop", "/rows", [{"id": 1, "value": "new"}])
        if fault:
            sandbox.faults.add(fault, page=2, times=None)
        if problem:
            with pytest.raises((DataError, ResponseError, WarehouseError), match=problem):
                shop.load(url, endpoint={**ENDPOINT, "error_handler": {"backoff_factor": 0}}, **keys)
        else:
            shop.load(url, endpoint=ENDPOINT)
    assert list(temp.iterdir()) == []
    assert (Path.cwd(), {*Path.cwd().iterdir()}, {*Path.home().iterdir()}) == before
