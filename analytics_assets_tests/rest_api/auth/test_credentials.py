"""Which alternative is used, what is missing, and that no value is ever shown."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus, urlencode

import pytest

from analytics_assets.rest_api.auth.credentials import Secrets, select_auth, variables, variables_set
from analytics_assets.rest_api.config import Client, SecretRef
from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets.rest_api.redaction import redactor
from analytics_assets_tests.conftest import ROOT

OAUTH2 = {
    "type": "oauth2",
    "client_id": {"env": "ID"},
    "client_secret": {"env": "SECRET"},
    "refresh_token": {"env": "REFRESH"},
    "token_url": {"env": "URL"},
}
CLIENT_CREDENTIALS = {name: value for name, value in OAUTH2.items() if name != "refresh_token"}
API_KEY = {"type": "api_key", "name": "api_key", "api_key": {"env": "KEY"}, "location": "query"}
LITERAL = {"type": "http_basic", "username": "public", "password": ""}


def client(*auth: dict[str, Any]) -> Client:
    return Client.model_validate({"base_url": "https://api.example.com", "auth": list(auth)})


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
def test_read(text: str, expected: str | None) -> None:
    assert Secrets({"NAME": text}).read(SecretRef(env="NAME")) == expected


def test_read_literals_and_what_is_unset() -> None:
    secrets = Secrets({})
    assert secrets.read("literal ") == "literal "
    assert secrets.read(SecretRef(env="NAME")) is None
    assert secrets.require("", "client.headers.X") == ""
    with pytest.raises(CredentialsError, match=r"`client\.base_url`: NAME is not set"):
        secrets.require(SecretRef(env="NAME"), "client.base_url")


@pytest.mark.parametrize("text", ["qu0ted\u2019", "qu0téd"])
def test_a_header_that_cannot_be_sent_is_refused_by_name_without_the_value(text: str) -> None:
    secrets = Secrets({"NAME": text, "OTHER": "plain"})
    assert secrets.header(SecretRef(env="OTHER"), "client.headers.X") == "plain"
    with pytest.raises(CredentialsError, match=r"^`client\.headers\.X`: NAME holds characters that a header") as caught:
        secrets.header(SecretRef(env="NAME"), "client.headers.X")
    assert "qu0" not in str(caught.value)


@pytest.mark.parametrize("text", ["tw1ce\ntw1ce", "tw1ce\x00", "tw1ce\u200bx", "\ufefftw1ce", "tw1ce\udcff"])
def test_pasted_too_much_is_refused_by_name_without_the_value(text: str) -> None:
    with pytest.raises(CredentialsError, match=r"^NAME holds a line break or an invisible character") as caught:
        Secrets({"NAME": text}).read(SecretRef(env="NAME"))
    assert "tw1ce" not in str(caught.value)


def read_in_process(folder: Path, secrets_toml: str, *paths: str) -> list[str]:
    """What the paths hold in a process that starts in a folder with this file: dlt looks there once."""
    (folder / ".dlt").mkdir()
    (folder / ".dlt" / "secrets.toml").write_text(secrets_toml)
    code = (
        "import sys\n"
        "from analytics_assets.rest_api.config import SecretRef\n"
        "from analytics_assets.rest_api.auth.credentials import CredentialsError, Secrets\n"
        "for path in sys.argv[1:]:\n"
        "    try: print(Secrets({}).read(SecretRef(secret=path)))\n"
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


def test_dlt_secrets_by_file_and_by_environment(tmp_path: Path) -> None:
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


def test_a_broken_secrets_file_is_named_without_its_content(tmp_path: Path) -> None:
    (error,) = read_in_process(tmp_path, 'token = "s3cret\n', "token")
    assert re.match(r"Error dlt.secrets\['token'\]: .*secrets.toml.* at line 1 col", error)
    assert "s3cret" not in error


@pytest.mark.parametrize(
    ("auth", "environ", "expected"),
    [
        ([], "", None),
        ([OAUTH2, API_KEY], "ID SECRET REFRESH URL", 0),
        ([OAUTH2, API_KEY], "ID SECRET REFRESH URL KEY", 0),
        ([OAUTH2, API_KEY], "KEY", 1),
        ([API_KEY, OAUTH2], "ID SECRET REFRESH URL KEY", 0),
        ([OAUTH2, CLIENT_CREDENTIALS], "ID SECRET URL", 1),
        ([OAUTH2, API_KEY, CLIENT_CREDENTIALS], "ID SECRET URL KEY", 1),
        ([CLIENT_CREDENTIALS, OAUTH2], "ID SECRET REFRESH URL", 0),
        ([LITERAL], "", 0),
        ([API_KEY, LITERAL], "", 1),
    ],
)
def test_the_first_alternative_that_is_set_is_used(
    auth: list[dict[str, Any]], environ: str, expected: int | None
) -> None:
    described = client(*auth)
    chosen = select_auth(described, Secrets(dict.fromkeys(environ.split(), "v")), "api")
    assert chosen == (None if expected is None else described.auth[expected])


@pytest.mark.parametrize(
    ("auth", "environ", "expected"),
    [
        (
            [API_KEY, OAUTH2],
            {},
            "the credentials of api are not set: api_key lacks KEY; oauth2 lacks ID, SECRET, REFRESH, URL. "
            "Set all variables of one alternative; an empty value counts as unset.",
        ),
        (
            [API_KEY, OAUTH2],
            {"ID": "v4lue", "URL": "v4lue", "SECRET": "", "REFRESH": " "},
            "the credentials of api are half set: oauth2 lacks SECRET, REFRESH (ID, URL set); api_key lacks KEY. "
            "Set what is missing, or unset the rest; an empty value counts as unset.",
        ),
        (
            [OAUTH2, API_KEY],
            {"ID": "v4lue", "KEY": "v4lue"},
            "the credentials of api are half set: oauth2 lacks SECRET, REFRESH, URL (ID set). "
            "Set what is missing, or unset the rest; an empty value counts as unset.",
        ),
        (
            [API_KEY, OAUTH2],
            {"REFRESH": "v4lue", "KEY": "v4lue"},
            "the credentials of api are half set: oauth2 lacks ID, SECRET, URL (REFRESH set). "
            "Set what is missing, or unset the rest; an empty value counts as unset.",
        ),
    ],
)
def test_what_is_missing_is_named(auth: list[dict[str, Any]], environ: dict[str, str], expected: str) -> None:
    with pytest.raises(CredentialsError) as caught:
        select_auth(client(*auth), Secrets(environ), "api")
    assert str(caught.value) == expected


def test_variables_are_listed_once() -> None:
    described = Client.model_validate(
        {
            "base_url": {"env": "BASE"},
            "auth": [OAUTH2, {**API_KEY, "api_key": {"secret": "sources.api.key"}}, CLIENT_CREDENTIALS],
            "headers": {"X-Account": {"env": "ACCOUNT"}},
        }
    )
    assert sorted(variables(described)) == sorted(
        ["BASE", "ID", "SECRET", "REFRESH", "URL", "dlt.secrets['sources.api.key']", "ACCOUNT"]
    )
    assert variables(described.auth[0]) == ("ID", "SECRET", "REFRESH", "URL")
    assert variables_set(described, Secrets({"ACCOUNT": "7", "ID": " "})) == ("ACCOUNT",)


SECRET = 'a/b+c d=é"&%\\'


@pytest.mark.parametrize(
    "text",
    [
        SECRET,
        quote(SECRET),
        quote(SECRET, safe=""),
        quote(quote(SECRET, safe=""), safe=""),
        quote_plus(SECRET),
        quote_plus(SECRET).lower(),
        urlencode({"key": SECRET})[4:],
        'a/b+c d=\\u00e9\\"&%\\\\',
    ],
)
def test_a_secret_is_masked_in_each_encoding(text: str) -> None:
    redact = redactor({SECRET, "a/b", "", "other"})
    assert redact(f"GET https://api.example.com/?key={text}&x=1 {text}") == (
        "GET https://api.example.com/?key=***&x=1 ***"
    )


def test_nothing_to_mask_changes_nothing() -> None:
    assert redactor([])("text") == "text"
    assert redactor([""])("text") == "text"
