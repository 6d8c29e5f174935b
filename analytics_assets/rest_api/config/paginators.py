"""Paginators: dlt's types and keys, and further keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, StrictBool, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.parsing.model import ByType, Model
from analytics_assets.rest_api.config.values import HeaderName, JsonPath, Name, StrictNonNegativeInt, StrictPositiveInt

NO_BODY = "GET requests have no body; name a query parameter"
CONDITION = re.compile(r"(?P<path>\S+)\s+is\s+(?P<operator>false|true|null|empty)", re.IGNORECASE)


class StopCondition(Model):
    """A condition on the response that ends the read, such as `hasNext is false`."""

    path: JsonPath
    operator: Literal["false", "true", "null", "empty"]

    def holds(self, value: Any, missing: object) -> bool:
        """Whether the read ends at this value.

        Args:
            value: The value at `path`.
            missing: The object that stands for the value of a path that does not exist.
        """
        if self.operator == "null":
            return value is None or value is missing
        if self.operator == "empty":
            return value is None or value is missing or value in ("", [], {})
        return str(value).lower() == self.operator


def _validate_condition(data: Any) -> Any:
    if isinstance(data, StopCondition):
        return data
    parsed = CONDITION.fullmatch(data.strip()) if isinstance(data, str) else None
    if parsed is None:
        raise ValueError("must be `<path> is false`, `is true`, `is null` or `is empty`, for example: hasNext is false")
    return {"path": parsed["path"], "operator": parsed["operator"].lower()}


class PaginatorConfigBase(Model):
    """Keys of every paginator."""

    total_rows_path: JsonPath | None = None
    """Path of the number of rows: the read ends when they were received, and is checked against it."""
    total_rows_header: HeaderName | None = None
    """Header with the number of rows, used as `total_rows_path` is."""


class OffsetConfig(PaginatorConfigBase):
    """Requests rows by the number of the first one."""

    type: Literal["offset"] = "offset"
    limit: StrictPositiveInt
    """Rows per page."""
    offset_param: Name = "offset"
    """Query parameter of the offset."""
    limit_param: Name = "limit"
    """Query parameter of the page size."""
    offset: StrictNonNegativeInt = 0
    """Offset of the first page."""
    total_path: JsonPath | None = None
    """Path of the number of rows. If left out, an empty page ends the read."""
    maximum_offset: StrictNonNegativeInt | None = None
    """Offsets from this one on are not requested."""
    has_more_path: JsonPath | None = None
    """Path of a flag that is true if there are more rows."""
    stop_after_empty_page: Literal[True] = True
    """dlt's default, and the only value. Rows after an empty page are an error."""

    unsupported: ClassVar[Mapping[str, str]] = {"offset_body_path": NO_BODY, "limit_body_path": NO_BODY}


class PageNumberConfig(PaginatorConfigBase):
    """Requests pages by number."""

    type: Literal["page_number"] = "page_number"
    limit: StrictPositiveInt | None = None
    """Rows per page; sent only if `limit_param` is set."""
    limit_param: Name | None = None
    """Query parameter of the page size."""
    page_param: Name = "page"
    """Query parameter of the page number."""
    start_from_page: StrictNonNegativeInt = 0
    """Number of the API's first page."""
    page: StrictNonNegativeInt | None = None
    """Number of the page to start with, if it is not the first."""
    total_path: JsonPath | None = None
    """Path of the number of pages. If left out, an empty page ends the read."""
    maximum_page: StrictNonNegativeInt | None = None
    """Pages from this number on are not requested."""
    end_on_404: StrictBool = False
    """Whether a 404 after the first page ends the read."""
    has_more_path: JsonPath | None = None
    """Path of a flag that is true if there are more pages."""
    stop_after_empty_page: Literal[True] = True
    """dlt's default, and the only value. Rows after an empty page are an error."""

    aliases: ClassVar[Mapping[str, str]] = {"base_page": "start_from_page"}
    unsupported: ClassVar[Mapping[str, str]] = {"page_body_path": NO_BODY}

    @property
    def first_page(self) -> int:
        """The number of the page to start with."""
        return self.start_from_page if self.page is None else self.page


class CursorConfig(PaginatorConfigBase):
    """Sends the cursor of the previous page."""

    type: Literal["cursor"] = "cursor"
    limit: StrictPositiveInt | None = None
    """Rows per page."""
    limit_param: Name = "limit"
    """Query parameter of the page size."""
    cursor_param: Name
    """Query parameter of the cursor."""
    cursor_path: JsonPath
    """Path of the next cursor; null, missing or empty ends the read."""
    stop_condition: (
        Annotated[
            StopCondition,
            BeforeValidator(_validate_condition),
            WithJsonSchema({"type": "string", "examples": ["hasNext is false"]}),
        ]
        | None
    ) = None
    """`<path> is false`, `is true`, `is null` or `is empty`: ends the read whatever the cursor is."""
    has_more_path: JsonPath | None = None
    """Path of a flag that is true if there are more pages."""
    stop_after_empty_page: Literal[False] = False
    """dlt's default, and the only value: the cursor ends the read."""

    unsupported: ClassVar[Mapping[str, str]] = {"cursor_body_path": NO_BODY}

    @model_validator(mode="after")
    def _validate_end(self) -> Self:
        if self.stop_condition and self.has_more_path:
            raise ValueError("has both `stop_condition` and `has_more_path`: remove one of the two")
        return self


class JsonLinkConfig(PaginatorConfigBase):
    """Follows the URL of the next page in the body."""

    type: Literal["json_link", "json_response"] = "json_link"
    next_url_path: JsonPath
    """Path of the next page's URL; null, missing or empty ends the read."""
    has_more_path: JsonPath | None = None
    """Path of a flag that is true if there are more pages."""


class HeaderLinkConfig(PaginatorConfigBase):
    """Follows the URL of the next page in the header `Link`."""

    type: Literal["header_link"] = "header_link"
    links_next_key: Name = "next"
    """Relation (`rel`) of the link to the next page."""


class HeaderCursorConfig(PaginatorConfigBase):
    """Sends the cursor that a header of the previous page holds."""

    type: Literal["header_cursor"] = "header_cursor"
    cursor_key: HeaderName = "next"
    """Header of the next cursor."""
    cursor_param: Name = "cursor"
    """Query parameter of the cursor."""


class SinglePageConfig(PaginatorConfigBase):
    """One response holds all rows."""

    type: Literal["single_page"] = "single_page"


PAGINATORS = ByType(
    (
        OffsetConfig,
        PageNumberConfig,
        CursorConfig,
        JsonLinkConfig,
        HeaderLinkConfig,
        HeaderCursorConfig,
        SinglePageConfig,
    ),
    unsupported={"auto": "a wrongly detected paginator loses rows; name the API's paginator"},
)
PaginatorConfig = Annotated[
    OffsetConfig
    | PageNumberConfig
    | CursorConfig
    | JsonLinkConfig
    | HeaderLinkConfig
    | HeaderCursorConfig
    | SinglePageConfig,
    PAGINATORS,
]
