"""How an API cuts its answers into pages: dlt's paginators by dlt's names, and what they leave out."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.model import ByType, Model
from analytics_assets.rest_api.config.values import Count, Flag, HeaderName, Index, JsonPath, Name

BODY = "only GET requests are sent, so there is no body; name a query parameter"
CONDITION = re.compile(r"(?P<path>\S+)\s+is\s+(?P<operator>false|true|null|empty)", re.IGNORECASE)


class StopCondition(Model):
    """`hasNext is false`: a walk ends when the answer says so."""

    path: JsonPath
    operator: Literal["false", "true", "null", "empty"]

    def holds(self, value: Any, missing: object) -> bool:
        """Whether the walk ends at this value; `missing` stands for a path that leads nowhere."""
        if self.operator == "null":
            return value is None or value is missing
        if self.operator == "empty":
            return value is None or value is missing or value in ("", [], {})
        return str(value).lower() == self.operator


def _condition(data: Any) -> Any:
    if isinstance(data, StopCondition):
        return data
    parsed = CONDITION.fullmatch(data.strip()) if isinstance(data, str) else None
    if parsed is None:
        raise ValueError("must be `<path> is false`, `is true`, `is null` or `is empty`, such as: hasNext is false")
    return {"path": parsed["path"], "operator": parsed["operator"].lower()}


class PaginatorConfigBase(Model):
    """What every paginator takes."""

    total_rows_path: JsonPath | None = None
    """Where the answer says how many rows there are: the walk ends when they came, and fails if fewer did."""
    total_rows_header: HeaderName | None = None
    """The header that says how many rows there are, as `total_rows_path`."""


class OffsetConfig(PaginatorConfigBase):
    """Asks for the rows after those that came."""

    type: Literal["offset"] = "offset"
    limit: Count
    """Rows to ask for in one page."""
    offset_param: Name = "offset"
    limit_param: Name = "limit"
    offset: Index = 0
    """The first page's offset."""
    total_path: JsonPath | None = None
    """Where the answer says how many rows there are. Without it, an empty page ends the walk."""
    maximum_offset: Index | None = None
    """No page is asked for at this offset or beyond."""
    has_more_path: JsonPath | None = None
    """Where the answer says with true or false whether there are more rows."""
    stop_after_empty_page: Literal[True] = True
    """As dlt's default. After a full page one more is asked for: rows after an empty page are an error."""

    unsupported: ClassVar[Mapping[str, str]] = {"offset_body_path": BODY, "limit_body_path": BODY}


class PageNumberConfig(PaginatorConfigBase):
    """Asks for page after page by number."""

    type: Literal["page_number"] = "page_number"
    limit: Count | None = None
    """Rows in one page; sent only if `limit_param` names the parameter."""
    limit_param: Name | None = None
    page_param: Name = "page"
    start_from_page: Index = 0
    """The number that the API gives to its first page."""
    page: Index | None = None
    """The number of the page to begin with, if that is not the API's first."""
    total_path: JsonPath | None = None
    """Where the answer says how many pages there are. Without it, an empty page ends the walk."""
    maximum_page: Index | None = None
    """No page of this number or beyond is asked for."""
    end_on_404: Flag = False
    """Whether the API answers 404 past its last page."""
    has_more_path: JsonPath | None = None
    """Where the answer says with true or false whether there are more pages."""
    stop_after_empty_page: Literal[True] = True
    """As dlt's default. After a full page one more is asked for: rows after an empty page are an error."""

    aliases: ClassVar[Mapping[str, str]] = {"base_page": "start_from_page"}
    unsupported: ClassVar[Mapping[str, str]] = {"page_body_path": BODY}

    @property
    def first_page(self) -> int:
        return self.start_from_page if self.page is None else self.page


class CursorConfig(PaginatorConfigBase):
    """Sends back the cursor that came with the page before."""

    type: Literal["cursor"] = "cursor"
    limit: Count | None = None
    """Rows to ask for in one page."""
    limit_param: Name = "limit"
    cursor_param: Name
    """The query parameter that takes the cursor."""
    cursor_path: JsonPath
    """Where the answer holds the next cursor; null, absent or empty ends the walk."""
    stop_condition: (
        Annotated[
            StopCondition,
            BeforeValidator(_condition),
            WithJsonSchema({"type": "string", "examples": ["hasNext is false"]}),
        ]
        | None
    ) = None
    """`<path> is false|true|null|empty`: ends the walk whatever the cursor says."""
    has_more_path: JsonPath | None = None
    """Where the answer says with true or false whether there are more pages."""
    stop_after_empty_page: Literal[False] = False
    """As dlt's default: the cursor says when the walk ends."""

    unsupported: ClassVar[Mapping[str, str]] = {"cursor_body_path": BODY}

    @model_validator(mode="after")
    def _one_end(self) -> Self:
        if self.stop_condition and self.has_more_path:
            raise ValueError("takes `stop_condition` or `has_more_path`, not both")
        return self


class JsonLinkConfig(PaginatorConfigBase):
    """Follows the link to the next page in the answer."""

    type: Literal["json_link", "json_response"] = "json_link"
    next_url_path: JsonPath
    """Where the answer holds the next page's URL; null, absent or empty ends the walk."""
    has_more_path: JsonPath | None = None
    """Where the answer says with true or false whether there are more pages."""


class HeaderLinkConfig(PaginatorConfigBase):
    """Follows the link to the next page in the header `Link`."""

    type: Literal["header_link"] = "header_link"
    links_next_key: Name = "next"
    """The relation (`rel`) of the link to the next page."""


class HeaderCursorConfig(PaginatorConfigBase):
    """Sends back the cursor that came in a header."""

    type: Literal["header_cursor"] = "header_cursor"
    cursor_key: HeaderName = "next"
    """The header that holds the next cursor."""
    cursor_param: Name = "cursor"
    """The query parameter that takes the cursor."""


class SinglePageConfig(PaginatorConfigBase):
    """One answer holds everything."""

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
    unsupported={"auto": "a guessed paginator that is wrong loses rows; name the API's own"},
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
