"""Secrets are masked in every encoding; requests are described without their query."""

from __future__ import annotations

from urllib.parse import quote, quote_plus, urlencode

import pytest

from analytics_assets.rest_api.redaction import redactor

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
def test_secret_is_masked_in_each_encoding(text: str) -> None:
    redact = redactor({SECRET, "a/b", "", "other"})
    assert redact(f"GET https://api.example.com/?key={text}&x=1 {text}") == (
        "GET https://api.example.com/?key=***&x=1 ***"
    )


@pytest.mark.parametrize(
    ("secret", "text", "expected"),
    [
        ("a", "the API returned 401 to key a", "the API returned 401 to key ***"),
        ("a", "GET https://api.example.com/?key=a&page=2", "GET https://api.example.com/?key=***&page=2"),
        ("a", '{"key": "a", "name": "a_b"}', '{"key": "***", "name": "a_b"}'),
        ("é", "?key=%C3%A9&name=caf%C3%A9", "?key=***&name=caf%C3%A9"),
        ("401", "the API returned 401 to key 401x", "the API returned *** to key 401x"),
        ("abc", "xabc abc.", "xabc ***."),
        ("abcd", "xabcdx", "x***x"),
    ],
)
def test_very_short_secret_is_masked_only_where_it_stands_alone(secret: str, text: str, expected: str) -> None:
    assert redactor([secret])(text) == expected


def test_without_secrets_the_text_is_unchanged() -> None:
    assert redactor([])("text") == "text"
    assert redactor([""])("text") == "text"
