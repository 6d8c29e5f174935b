"""Names of parameters and headers whose value is a secret in the specifications of others."""

from __future__ import annotations

import re

from analytics_assets.rest_api.config.values import is_secret_name

_WORDS = re.compile(
    r"(api|app|auth|access|private|secret|subscription|client|license)[_-]?(key|token)|secret|passw(or)?d|pwd|signature"
    r"|credential|^(key|token|auth|sig)$",
    re.IGNORECASE,
)
_HEADER_WORDS = re.compile(r"[_-](key|token|auth|session)$", re.IGNORECASE)
_VALUE = re.compile(r"(bearer|basic|token)\s+\S", re.IGNORECASE)


def is_secret(name: str, value: object = None, *, in_header: bool = False) -> bool:
    """Whether a parameter, field or header probably has a secret as its value."""
    return (
        is_secret_name(name)
        or bool(_WORDS.search(name))
        or (in_header and bool(_HEADER_WORDS.search(name)))
        or (isinstance(value, str) and bool(_VALUE.match(value)))
    )
