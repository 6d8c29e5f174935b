"""Which action of `error_handler.response_actions` a response matches."""

from __future__ import annotations

import json
from collections.abc import Sequence

from analytics_assets.rest_api.config import ResponseAction
from analytics_assets.rest_api.http.response import Response

MAX_SEARCH_BYTES = 1_000_000  # errors are short; the rows of a large page are not searched to their end


class ResponseActions:
    """The actions of an endpoint, in the order of the configuration."""

    def __init__(self, actions: Sequence[ResponseAction]) -> None:
        self._actions = [(action, _encodings(action.content)) for action in actions]

    def match(self, response: Response) -> ResponseAction | None:
        """The first action that the response matches, or None."""
        for action, texts in self._actions:
            if action.status_code in (None, response.status) and (
                not texts or any(response.body.find(text, 0, MAX_SEARCH_BYTES) >= 0 for text in texts)
            ):
                return action
        return None


def _encodings(content: str | None) -> tuple[bytes, ...]:
    """The bytes of a text in a body: as UTF-8, and as JSON that escapes all but ASCII."""
    if content is None:
        return ()
    plain, escaped = content.encode("utf-8", "surrogatepass"), json.dumps(content)[1:-1].encode()
    return (plain,) if content.isascii() else (plain, escaped)
