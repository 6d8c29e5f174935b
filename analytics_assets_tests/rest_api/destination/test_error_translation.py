"""Errors of a load are this package's, and quote a database only where it cannot quote a row's values."""

from __future__ import annotations

import duckdb
import pytest

from analytics_assets.rest_api.destination.error_translation import translate_error
from analytics_assets.rest_api.errors import DataError, RestApiError
from analytics_assets_tests.fake_api import Endpoint, faults, serve_endpoint
from analytics_assets_tests.support.shop import Shop

FAILING = [  # SQL that fails in DuckDB, and the part of DuckDB's text that is quoted
    ("SELECT CAST('secret' AS BIGINT)", None),
    ("INSERT INTO t VALUES ('secret')", None),
    ("INSERT INTO t VALUES (NULL)", None),
    ("SELECT 9223372036854775807 + 'secret'.length()", None),
    ("SELECT strptime('secret', '%Y')", None),
    ("SELECT secret FROM t", None),
    ("SELECT 'secret", None),
    ("SELECT error('secret')", None),
    ("SELECT CAST('{\"secret\"' AS JSON)", None),
    ("FROM nowhere", "Catalog Error: Table with name nowhere does not exist!"),
    ("FROM read_parquet('/nowhere/f.parquet')", "IO Error: No files found"),
]


@pytest.mark.parametrize(("sql", "quoted"), FAILING)
def test_database_errors_are_quoted_only_if_they_cannot_hold_data(sql: str, quoted: str | None) -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE TABLE t (x VARCHAR NOT NULL CHECK (x <> 'secret'))")
        with pytest.raises(duckdb.Error) as caught:
            connection.execute(sql).fetchall()
    message = str(translate_error(caught.value, dataset="shop", table="rows"))
    assert message.startswith(f"loading shop.rows failed with {type(caught.value).__name__}")
    assert message.endswith(". The table was not changed")
    assert "secret" not in message
    assert quoted is None or quoted in message


@pytest.mark.parametrize("where", ["cause", "context"])
def test_own_error_among_the_causes_is_returned(where: str) -> None:
    ours = DataError("what was wrong")
    outer = RuntimeError("Pipeline execution failed")
    setattr(outer, f"__{where}__", ours)
    assert translate_error(outer, dataset="shop", table="rows") is ours


def test_every_failed_load_raises_an_own_error(any_shop: Shop) -> None:
    with serve_endpoint(Endpoint("/rows", [{"id": n} for n in range(3)])) as (sandbox, url):
        for kind in (faults.status(404), faults.close(), faults.html()):
            sandbox.faults.add(kind, times=None)
            with pytest.raises(RestApiError) as caught:
                any_shop.load(url)
            assert caught.value.__suppress_context__
            sandbox.faults.clear()
