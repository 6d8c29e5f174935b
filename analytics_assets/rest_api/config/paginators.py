"""Paginators: dlt's types and keys, and further keys."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cached_property
from itertools import combinations
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, BeforeValidator, StrictBool, WithJsonSchema, model_validator
from typing_extensions import Self

from analytics_assets.rest_api.config.parsing.model import ByType, Model
from analytics_assets.rest_api.config.parsing.validation import validation_error
from analytics_assets.rest_api.config.values import (
    CursorPath,
    HeaderName,
    JsonPath,
    Matches,
    Name,
    StrictNonNegativeInt,
    StrictPositiveInt,
)

BodyPath = Annotated[
    str,
    AfterValidator(lambda path: path.removeprefix("$.")),
    Matches(r"[^.\[\]*]+(\.[^.\[\]*]+)*", "a field of the body, or a path to one such as page.number"),
]
POSITIONS = ("page", "offset", "cursor", "limit")  # what a page is requested by
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

    @property
    def body_paths(self) -> dict[str, str]:
        """The paths in the body that are set for each page, by their keys."""
        keys = (f"{name}_body_path" for name in POSITIONS)
        return {key: path for key in keys if (path := getattr(self, key, None))}

    def place(self, **values: str | int | float | None) -> tuple[dict[str, str], dict[str, str | int | float]]:
        """Where the values of a page are sent.

        Args:
            values: Values by what they are: `page`, `offset`, `cursor`, `limit`. None is not sent.

        Returns:
            Query parameters, and values in the body by path.
        """
        params: dict[str, str] = {}
        body: dict[str, str | int | float] = {}
        for name, value in values.items():
            if value is not None:
                path, param = self._places[name]
                if path:
                    body[path] = value
                elif param:
                    params[param] = str(value)
        return params, body

    @cached_property
    def _places(self) -> dict[str, tuple[str | None, str | None]]:
        """The path in the body and the query parameter of each position; looked up once, not for each page."""
        return {
            name: (getattr(self, f"{name}_body_path", None), getattr(self, f"{name}_param", None)) for name in POSITIONS
        }

    @model_validator(mode="after")
    def _validate_body_paths(self) -> Self:
        for key in self.body_paths:
            param = key.replace("_body_path", "_param")
            if param in self.model_fields_set:
                raise validation_error(((key,), f"has the same meaning as `{param}`: remove one of the two"))
        in_query = {
            name: getattr(self, f"{name}_param", None)
            for name in POSITIONS
            if f"{name}_body_path" not in self.body_paths
        }
        for name, other in combinations(in_query, 2):
            if in_query[name] is not None and in_query[name] == in_query[other]:
                message = f"is the same as `{name}_param`: a parameter has one value"
                raise validation_error(((f"{other}_param",), message))
        return self


class OffsetConfig(PaginatorConfigBase):
    """Requests rows by the number of the first one."""

    type: Literal["offset"] = "offset"
    limit: StrictPositiveInt
    """Rows per page."""
    offset_param: Name | None = "offset"
    """Query parameter of the offset."""
    offset_body_path: BodyPath | None = None
    """Path of the offset in the body, in place of `offset_param`."""
    limit_param: Name | None = "limit"
    """Query parameter of the page size; `null` if the API has none."""
    limit_body_path: BodyPath | None = None
    """Path of the page size in the body, in place of `limit_param`."""
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


class PageNumberConfig(PaginatorConfigBase):
    """Requests pages by number."""

    type: Literal["page_number"] = "page_number"
    limit: StrictPositiveInt | None = None
    """Rows per page; sent only if `limit_param` or `limit_body_path` is set."""
    limit_param: Name | None = None
    """Query parameter of the page size."""
    limit_body_path: BodyPath | None = None
    """Path of the page size in the body, in place of `limit_param`."""
    page_param: Name | None = "page"
    """Query parameter of the page number."""
    page_body_path: BodyPath | None = None
    """Path of the page number in the body, in place of `page_param`."""
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
    limit_body_path: BodyPath | None = None
    """Path of the page size in the body, in place of `limit_param`."""
    cursor_param: Name | None = None
    """Query parameter of the cursor."""
    cursor_body_path: BodyPath | None = None
    """Path of the cursor in the body, in place of `cursor_param`."""
    cursor_path: CursorPath
    """Path of the next cursor; null, missing or empty ends the read. `data[-1].id` is the field of the last record."""
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

    @model_validator(mode="after")
    def _validate_cursor(self) -> Self:
        if self.cursor_param is None and self.cursor_body_path is None:
            raise validation_error((("cursor_param",), "is required, or `cursor_body_path`"))
        if self.stop_condition and self.has_more_path:
            raise ValueError("has both `stop_condition` and `has_more_path`: remove one of the two")
        return self


class JsonLinkConfig(PaginatorConfigBase):
    """Follows the URL of the next page in the body."""

    type: Literal["json_link", "json_response"] = "json_link"
    next_url_path: CursorPath
    """Path of the next page's URL; null, missing or empty ends the read. `data[-1].next` is the field of the last
    record."""
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
    cursor_body_path: BodyPath | None = None
    """Path of the cursor in the body, in place of `cursor_param`."""


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
