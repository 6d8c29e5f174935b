"""Fingerprints and the freshness of tokens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from analytics_assets.rest_api.auth.tokens import fingerprint
from analytics_assets_tests.rest_api.auth.test_token_store import TOKEN


def test_fingerprint_changes_with_each_part_and_shows_none() -> None:
    parts = ("recruiting", "https://auth.example.com", "me", "first")
    variations = [parts, *((*parts[:at], "other", *parts[at + 1 :]) for at in range(4))]
    names = [fingerprint(api=a, token_url=b, client_id=c, refresh_token=d) for a, b, c, d in variations]
    names.append(fingerprint(api=parts[0], token_url=parts[1], client_id=parts[2], refresh_token=None))
    assert len(set(names)) == 6
    assert all(set(name) <= set("0123456789abcdef") for name in names)


@pytest.mark.parametrize(
    ("lifetime", "fresh_until"),
    [(3600, 3570), (300, 270), (60, 54), (1, 0.9)],
)
def test_leeway_is_a_small_part_of_short_lifetimes(lifetime: float, fresh_until: float) -> None:
    token = replace(TOKEN, issued_at=0.0, expires_at=float(lifetime))
    assert token.is_fresh(fresh_until - 0.01)
    assert not token.is_fresh(fresh_until + 0.01)


def test_tokens_are_not_shown() -> None:
    assert "access-1" not in repr(TOKEN)
    assert "refresh-1" not in repr(TOKEN)
