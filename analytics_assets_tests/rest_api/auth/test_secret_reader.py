"""Secrets by name: what counts as set, what is rejected, and that no value is shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

from analytics_assets.rest_api.auth.secret_reader import SecretReader, variables, variables_set
from analytics_assets.rest_api.config import Client, SecretRef
from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets_tests.support.project import ROOT

OAUTH2 = {
    "type": "oauth2",
    "client_id": {"env": "ID"},
    "client_secret": {"env": "SECRET"},
    "refresh_token": {"env": "REFRESH"},
    "token_url": {"env": "URL"},
}
CLIENT_CREDENTIALS = {name: value for name, value in OAUTH2.items() if name != "refresh_token"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("value", "value"),
        (" value\r\n", "value"),
        ("\u00a0value", "value"),
        ("two words", "two words"),
        ("0012", "0012"),
        ("pässwörd", "pässwörd"),
        ("", None),
        (" \n", None),
    ],
)
def test_value_is_stripped_and_blank_counts_as_unset(text: str, expected: str | None) -> None:
    assert SecretReader({"NAME": text}).read(SecretRef(env="NAME")) == expected


def test_literals_are_unchanged_and_unset_variables_are_named() -> None:
    reader = SecretReader({})
    assert reader.read("literal ") == "literal "
    assert reader.read(SecretRef(env="NAME")) is None
    assert reader.require("", "client.headers.X") == ""
    with pytest.raises(CredentialsError, match=r"`client\.base_url`: NAME is not set"):
        reader.require(SecretRef(env="NAME"), "client.base_url")


@pytest.mark.parametrize("text", ["tw1ce\ntw1ce", "tw1ce\x00", "tw1ce\u200bx", "\ufefftw1ce", "tw1ce\udcff"])
def test_value_with_invisible_characters_is_rejected_by_name_without_the_value(text: str) -> None:
    with pytest.raises(CredentialsError, match=r"^NAME contains a line break or an invisible character") as caught:
        SecretReader({"NAME": text}).read(SecretRef(env="NAME"))
    assert "tw1ce" not in str(caught.value)


def read_in_process(folder: Path, secrets_toml: str, *paths: str) -> list[str]:
    """The values of dlt.secrets in a new process, since dlt reads its files once per process."""
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "secrets.toml").write_text(secrets_toml)
    code = (
        "import sys\n"
        "from analytics_assets.rest_api.config import SecretRef\n"
        "from analytics_assets.rest_api.auth.secret_reader import CredentialsError, SecretReader\n"
        "for path in sys.argv[1:]:\n"
        "    try: print(SecretReader({}).read(SecretRef(secret=path)))\n"
        "    except CredentialsError as error: print('Error', *str(error).splitlines())"
    )
    environ = {
        "PYTHONPATH": str(ROOT),
        "HOME": str(folder),
        "SOURCES__RECRUITING__CLIENT_SECRET": " 0012\n",
    }
    done = subprocess.run(
        [sys.executable, "-c", code, *paths], cwd=folder, env=environ, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_dlt_secrets_are_read_from_file_and_environment(tmp_path: Path) -> None:
    toml = 'token = "top"\n[sources.recruiting]\nclient_id = 12345\nclient_secret = "of file"\n[sources.a.table]\nx = 1'
    names = ["client_id", "client_secret", "nothing"]
    paths = ["token", *(f"sources.recruiting.{name}" for name in names), "sources.a.table"]
    assert read_in_process(tmp_path, toml, *paths) == [
        "top",
        "12345",
        "0012",
        "None",
        "Error dlt.secrets['sources.a.table'] is a dict, not a text.",
    ]


def test_invalid_secrets_file_is_named_without_its_content(tmp_path: Path) -> None:
    (error,) = read_in_process(tmp_path, 'token = "s3cret\n', "token")
    assert re.match(r"Error dlt.secrets\['token'\]: .*secrets.toml.* at line 1 col", error)
    assert "s3cret" not in error


def test_variables_are_listed_once() -> None:
    api_key = {"type": "api_key", "name": "api_key", "api_key": {"secret": "sources.api.key"}, "location": "query"}
    client = Client.model_validate(
        {
            "base_url": {"env": "BASE"},
            "auth": [OAUTH2, api_key, CLIENT_CREDENTIALS],
            "headers": {"X-Account": {"env": "ACCOUNT"}},
        }
    )
    assert sorted(variables(client)) == sorted(
        ["BASE", "ID", "SECRET", "REFRESH", "URL", "dlt.secrets['sources.api.key']", "ACCOUNT"]
    )
    assert variables(client.auth[0]) == ("ID", "SECRET", "REFRESH", "URL")
    assert variables_set(client, {"ACCOUNT": "7", "ID": " "}) == ("ACCOUNT",)
