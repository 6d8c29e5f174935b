"""Masked fields in loads: their values are in no table, file, preview or message."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest

from analytics_assets.rest_api.errors import CredentialsError, DataError, RestApiError
from analytics_assets.rest_api.load.table import prepare
from analytics_assets_tests.fake_api import Endpoint, TextEndpoint, serve_endpoint
from analytics_assets_tests.harness.secret_scanner import SecretScan
from analytics_assets_tests.support.loaders import Orders, orders
from analytics_assets_tests.support.shop import Shop

SALT = "a salt of the tests"
SSN, PHONE, EMAIL = "ssn-123-45-6789", "phone-0049-30-1234", "ada.lovelace@example.com"
PERSON = {"id": 1, "ssn": SSN, "email": EMAIL, "contact": {"phone": PHONE, "city": "London"}, "name": "Ada"}
MASKED: dict[str, Any] = {"exclude": ["ssn", "contact.phone"], "hash": {"email": {"env": "HASH_SALT"}}}


def hashed(text: str) -> str:
    return hmac.new(SALT.encode(), text.encode(), hashlib.sha256).hexdigest()


def with_salt(api: Orders, salt: str = SALT) -> Orders:
    loader = replace(api.loader, environ={**api.loader.environ, "HASH_SALT": salt})
    return replace(api, loader=loader)


def test_excluded_fields_have_no_column_and_hashes_are_stable(tmp_path: Path) -> None:
    with orders(tmp_path, **MASKED) as served:
        api = with_salt(served)
        api.load([PERSON, {"id": 2, "ssn": None, "email": None, "contact": None, "name": "Bo"}])
        expected = [
            {"id": 1, "email": hashed(EMAIL), "contact": {"city": "London"}, "name": "Ada"},
            {"id": 2, "email": None, "contact": None, "name": "Bo"},
        ]
        assert api.rows() == expected
        assert api.types() == {"id": "BIGINT", "email": "VARCHAR", "contact": "JSON", "name": "VARCHAR"}
        result = api.load()
        assert api.rows() == expected
        assert "ssn" not in result.table.columns


def test_a_hashed_key_identifies_its_row(tmp_path: Path) -> None:
    with orders(tmp_path, hash={"id": {"env": "HASH_SALT"}}) as served:
        api = with_salt(served)
        api.load([{"id": 1, "v": 1}, {"id": 2, "v": 1}])
        api.load([{"id": 2, "v": 2}])
        assert {row["id"]: row["v"] for row in api.rows()} == {hashed("1"): 1, hashed("2"): 2}


@pytest.mark.parametrize("half", ["", "\ud800"])
def test_values_are_in_no_file_and_no_message(
    half: str, shop: Shop, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Half of a surrogate pair makes the page one that only Python's parser accepts."""
    body = json.dumps({"data": [{**PERSON, "id": n, "name": half} for n in range(30)]}).encode()
    caplog.set_level(logging.DEBUG)
    scan = SecretScan({"ssn": SSN, "phone": PHONE, "email": EMAIL, "salt": SALT})
    with serve_endpoint(TextEndpoint("/people", [], write=lambda _: body)) as (_, url):
        request = replace(shop.request(url, **MASKED), environ={"HASH_SALT": SALT})
        with prepare(request) as load:
            result = load.run()
            [file] = load.pipeline.files.paths
            scan.scan_text("parquet", str(pq.read_table(file).to_pylist()))
            scan.scan_folder(file.parent)
        assert result.table.preview
        scan.scan_text("result", repr((result.table, result.statistics)))
        scan.scan_text("log", caplog.text)
        scan.scan_text("table", str(shop.query("SELECT * FROM shop.people")))
        scan.scan_folder(tmp_path)
    assert scan.found == set()
    assert scan.bytes_read > 10_000


@pytest.mark.parametrize("disposition", ["merge", "replace"])
def test_excluded_fields_are_left_out_of_all_pages(disposition: str, tmp_path: Path) -> None:
    """From the second page on records are decoded without the field; pages differ in fields and types."""
    rows: list[dict[str, Any]] = [{"id": n, "ssn": SSN, "name": f"n{n}", "half": n * 1.5} for n in range(6)]
    rows[2]["ssn"] = {"deep": [1, SSN]}  # the field may have any type
    del rows[3]["ssn"]
    rows[4]["new"] = "field"
    rows[5]["name"] = "🚀"
    with orders(tmp_path, exclude=["ssn"], write_disposition=disposition) as api:
        result = api.load(rows)
        assert [row.get("new") for row in api.rows()] == [None, None, None, None, "field", None]
        assert [{**row, "new": None} for row in api.rows()] == [
            {**{name: row[name] for name in ("id", "name", "half")}, "new": None} for row in rows
        ]
        assert result.statistics.changed_columns == {}


def test_errors_name_fields_and_no_values(shop: Shop) -> None:
    rows = [PERSON, {**PERSON, "id": None}]
    with serve_endpoint(Endpoint("/people", rows)) as (_, url), pytest.raises(DataError) as caught:
        shop.load(url, exclude=("ssn",))
    assert "'id' is null or missing in 1 of 2 records. Their fields are 'id', 'email', 'contact', 'name'" in str(
        caught.value
    )


def test_missing_secret_fails_the_load_before_anything_is_sent(tmp_path: Path) -> None:
    with orders(tmp_path, **MASKED) as api:
        with pytest.raises(CredentialsError, match=r"`hash\.email`: HASH_SALT is not set"):
            api.load([PERSON])
        assert api.sandbox.requests == []
        assert not api.loader.file.exists()


def test_secret_is_masked_in_messages(tmp_path: Path) -> None:
    with orders(tmp_path, hash={"id": {"env": "HASH_SALT"}}) as served:
        api = with_salt(served, "/orders//orders//orders")
        with pytest.raises(RestApiError) as caught:
            api.load([{"id": {"/orders//orders//orders": 1}}])
        assert "/orders//orders//orders" not in str(caught.value)


def test_misspelled_field_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with orders(tmp_path, exclude=["SSN"]) as api:
        api.load([PERSON])
    [line] = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert line.startswith(
        "shop/orders: no record has the field 'SSN' of `exclude` or `hash`, but fields with similar names"
    )
    assert line.endswith("'ssn'. Correct the name, in the same case")


def test_no_rows_are_no_reason_for_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with orders(tmp_path, exclude=["ssn"]) as api:
        api.load([])
    assert not caplog.records


def test_values_of_earlier_loads_are_a_warning_until_the_full_refresh(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with orders(tmp_path) as api:
        api.load([PERSON])
        api.load(exclude=["ssn"])
        assert (
            "orders: the table still has the columns ssn of `exclude`, with the values of earlier loads" in caplog.text
        )
        api.load(exclude=["ssn"], full_refresh=True)
        assert "ssn" not in api.types()
        caplog.clear()
        api.load(exclude=["ssn"])
        assert not caplog.records


def test_excluding_a_field_resolves_two_names_of_one_column(tmp_path: Path) -> None:
    rows = [{"id": 1, "createdAt": "a", "created_at": "b"}]
    with orders(tmp_path) as api:
        with pytest.raises(DataError, match=r"would both become the column 'created_at'.*`exclude` one of them"):
            api.load(rows)
        api.load(exclude=["createdAt"])
        assert api.rows() == [{"id": 1, "created_at": "b"}]
