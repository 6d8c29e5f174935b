"""Connections to PostgreSQL, of loads and of shared state, notice a server that vanishes."""

from __future__ import annotations

from contextlib import closing
from typing import Any

import psycopg2
import pytest
from dlt.destinations.impl.postgres.configuration import PostgresClientConfiguration
from dlt.destinations.impl.postgres.sql_client import Psycopg2SqlClient

from analytics_assets.rest_api.destination.postgres.destination import PostgresDestination
from analytics_assets.rest_api.errors import TokenStoreError
from analytics_assets.rest_api.state.postgres_database import PostgresDatabase
from analytics_assets_tests.support.postgres import Postgres

LIMITS = ("keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout")
DEFAULTS = ["30", "10", "3", "60000"]


def connect_to_state(credentials: str) -> Any:
    return PostgresDatabase(credentials, "TOKENS", "tokens", "tokens", TokenStoreError).connect()


def connect_to_destination(credentials: str) -> Any:
    destination = PostgresDestination(credentials=credentials)
    config = PostgresClientConfiguration(credentials=destination.config_params["credentials"])
    config = destination.configuration(config._bind_dataset_name(dataset_name="shop"))
    capabilities = destination.capabilities(config)
    return Psycopg2SqlClient("shop", "shop_staging", config.credentials, capabilities).open_connection()


@pytest.mark.parametrize("connect", [connect_to_state, connect_to_destination])
@pytest.mark.parametrize(
    ("query", "expected"),
    [("", DEFAULTS), ("?keepalives_idle=7&tcp_user_timeout=9000", ["7", "10", "3", "9000"])],
)
def test_connection_to_a_server_that_vanished_ends_after_a_minute_or_when_the_user_says(
    postgres: Postgres, connect: Any, query: str, expected: list[str]
) -> None:
    with closing(connect(postgres.credentials + query)) as connection:
        assert isinstance(connection, psycopg2.extensions.connection)
        assert [connection.info.dsn_parameters[name] for name in LIMITS] == expected
