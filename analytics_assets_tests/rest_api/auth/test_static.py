"""Credentials that do not change: where they are sent, what is masked, which values are rejected."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from analytics_assets.rest_api.errors import CredentialsError
from analytics_assets_tests.support.token_server import authenticator


@dataclass(frozen=True, kw_only=True)
class StaticCase:
    auth: dict[str, Any]
    params: dict[str, str]
    headers: dict[str, str]
    hidden: set[str]


@pytest.mark.parametrize(
    "case",
    [
        StaticCase(
            auth={"type": "api_key", "name": "key", "api_key": {"env": "KEY"}, "location": "query"},
            params={"page": "1", "key": "k3y &"},
            headers={"accept": "*"},
            hidden={"k3y &"},
        ),
        StaticCase(
            auth={"type": "api_key", "name": "X-Key", "api_key": {"env": "TOKEN"}, "location": "header"},
            params={"page": "1"},
            headers={"accept": "*", "X-Key": "t0ken"},
            hidden={"t0ken"},
        ),
        StaticCase(
            auth={"type": "api_key", "name": "session", "api_key": {"env": "TOKEN"}, "location": "cookie"},
            params={"page": "1"},
            headers={"accept": "*", "Cookie": "session=t0ken"},
            hidden={"t0ken"},
        ),
        StaticCase(
            auth={"type": "bearer", "token": {"env": "TOKEN"}},
            params={"page": "1"},
            headers={"accept": "*", "Authorization": "Bearer t0ken"},
            hidden={"t0ken"},
        ),
        StaticCase(
            auth={"type": "http_basic", "username": {"env": "USERNAME"}, "password": {"env": "PASSWORD"}},
            params={"page": "1"},
            headers={"accept": "*", "Authorization": f"Basic {b64encode('üser:pass:wörd'.encode()).decode()}"},
            hidden={"pass:wörd", b64encode("üser:pass:wörd".encode()).decode()},
        ),
        StaticCase(
            auth={"type": "http_basic", "username": {"env": "TOKEN"}, "password": ""},
            params={"page": "1"},
            headers={"accept": "*", "Authorization": f"Basic {b64encode(b't0ken:').decode()}"},
            hidden={"t0ken", b64encode(b"t0ken:").decode()},
        ),
    ],
)
def test_static_credentials(case: StaticCase, tmp_path: Path) -> None:
    environ = {"KEY": "k3y &", "TOKEN": "t0ken\n", "USERNAME": "üser", "PASSWORD": "pass:wörd"}
    signer = authenticator(tmp_path, environ, case.auth)
    signed: tuple[dict[str, str], dict[str, str]] = ({"page": "1"}, {"accept": "*"})
    used = signer.sign(*signed)
    assert signed == (case.params, case.headers)
    assert signer.secret_values() == case.hidden
    assert signer.refresh(used) is False
    for status in (401, 403):
        assert [name for name in environ if name in signer.rejection_hint(status)]
    assert "Some APIs return 403 for a wrong token" in signer.rejection_hint(403)
    assert list(tmp_path.iterdir()) == []


def test_signing_replaces_the_header_and_appends_to_the_cookies(tmp_path: Path) -> None:
    headers = {"authorization": "from the YAML file", "cookie": "a=b"}
    authenticator(tmp_path, {"T": "t0ken"}, {"type": "bearer", "token": {"env": "T"}}).sign({}, headers)
    cookie = {"type": "api_key", "name": "s", "api_key": {"env": "T"}, "location": "cookie"}
    authenticator(tmp_path, {"T": "t0ken"}, cookie).sign({}, headers)
    assert headers == {"Authorization": "Bearer t0ken", "Cookie": "a=b; s=t0ken"}


@pytest.mark.parametrize(
    ("auth", "value"),
    [
        ({"type": "bearer", "token": {"env": "T"}}, "s3cret\u2019"),
        ({"type": "api_key", "name": "X-Key", "api_key": {"env": "T"}, "location": "header"}, "s3crét"),
        ({"type": "api_key", "name": "s", "api_key": {"env": "T"}, "location": "cookie"}, "s3cret; admin=1"),
        ({"type": "http_basic", "username": {"env": "T"}, "password": ""}, "s3cret:user"),
    ],
)
def test_value_not_allowed_in_its_location_is_rejected_by_name(
    auth: dict[str, Any], value: str, tmp_path: Path
) -> None:
    with pytest.raises(CredentialsError, match=r"\bT\b") as caught:
        authenticator(tmp_path, {"T": value}, auth)
    assert "s3cr" not in str(caught.value)
