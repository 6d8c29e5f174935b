"""Numbers that the environment sets."""

from __future__ import annotations

from collections.abc import Mapping

from analytics_assets.rest_api.errors import ConfigError


def whole_number(environ: Mapping[str, str], name: str, default: int, *, at_most: int) -> int:
    """The variable's value, or the default where it is unset or empty.

    Raises:
        ConfigError: it is no number, or too large.
    """
    text = environ.get(name) or str(default)
    if not (text.isascii() and text.isdecimal()) or int(text[:20]) > at_most:
        raise ConfigError(f"{name} must be a whole number from 0 to {at_most}, not {text!r}")
    return int(text)
