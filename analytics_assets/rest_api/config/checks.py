"""Checks: which asset checks a resource has, and how severe a failure of each is."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, WithJsonSchema
from typing_extensions import Self

from analytics_assets.rest_api.config.parsing.model import Model

SETTINGS = ("warn", "error", "off")


def _validate_setting(data: Any) -> Any:
    setting = "off" if data is False else data  # YAML reads a plain `off` as false
    if setting not in SETTINGS:
        raise ValueError(f"must be one of {', '.join(SETTINGS)}")
    return setting


CheckSetting = Annotated[
    Literal["warn", "error", "off"],
    BeforeValidator(_validate_setting),
    WithJsonSchema({"enum": [*SETTINGS, False]}),
]


class Checks(Model):
    """The asset checks: `warn` or `error` is the severity of a failure, `off` removes the check."""

    key_is_unique_and_present: CheckSetting | None = None
    """Each record has a primary key, and no two records of a load have the same one."""
    complete: CheckSetting | None = None
    """All rows of the API were read: its total is reached, or it said that no page follows."""
    columns_keep_their_types: CheckSetting | None = None
    """The table has no variant column, and no value was discarded for its type."""
    columns_are_known: CheckSetting | None = None
    """No field is new, and none is missing in all records of a load."""
    rows_as_usual: CheckSetting | None = None
    """The number of rows is like those of earlier loads."""
    api_honours_the_window: CheckSetting | None = None
    """At least half of the rows belong to the requested window."""
    rows_gone_from_api: CheckSetting | None = None
    """A load of all rows finds the rows that the table has."""
    holds_real_data: CheckSetting | None = None
    """The rows come from the API, not from the sandbox."""

    def over(self, defaults: Self) -> Self:
        """These settings, and the defaults for all others."""
        return defaults.model_copy(update={name: getattr(self, name) for name in self.model_fields_set})
