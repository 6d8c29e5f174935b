"""Finds the records in the body of a response.

A wrong `data_selector` and an error sent with status 200 look alike: neither leads to records. Both are errors here,
never an empty table.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import Any

from msgspec import Raw
from typing_extensions import Self

from analytics_assets.rest_api.config import Endpoint, SinglePageConfig
from analytics_assets.rest_api.errors import ResponseError
from analytics_assets.rest_api.extract.body_shape import record_lists, summary, type_name
from analytics_assets.rest_api.extract.envelope import MISSING, Envelope, compile_path
from analytics_assets.rest_api.extract.json_decoding import decode, decode_raw
from analytics_assets.rest_api.extract.masking import Masking
from analytics_assets.rest_api.extract.pagination.hints import find_hints, normalize_path
from analytics_assets.rest_api.extract.records import PageRecords, read_dicts

TYPE_BY_FIRST_BYTE: dict[bytes, type] = {b"{": dict, b"[": list, b"n": type(None)}
# A body of no other fields than these is not a record.
ERROR_FIELDS = {
    *("code", "detail", "details", "error", "error_code", "error_description", "errors", "message"),
    *("path", "request_id", "requestId", "status", "statusCode", "success", "timestamp", "title", "type"),
}


@dataclass(frozen=True)
class Page:
    """The records of a response, and the body around them."""

    records: PageRecords
    envelope: Envelope


class Selector:
    """Finds the records of a page by a JSONPath.

    Everything that the path leads to has to be records: a list of objects, or an object, which is one record. The
    body as a whole (`$`) has to be a list, because an object may be an error; except where each body is one record.
    With a wildcard each branch has to lead somewhere.

    Attributes:
        steps: The steps of the path.
    """

    def __init__(
        self,
        data_selector: str,
        *,
        allow_missing: bool = False,
        object_is_record: bool = True,
        body_is_record: bool = False,
        ignore_hints: Iterable[str] = (),
        read: Callable[[bytes], PageRecords] = read_dicts,
        masking: Masking | None = None,
    ) -> None:
        """Compiles the path.

        Args:
            data_selector: The path, as the YAML writes it.
            allow_missing: Whether a body without the path, or with null there, has no records.
            object_is_record: Whether an object that holds lists of objects may be one record. A page of many records
                cannot be: there the selector stops one level too high.
            body_is_record: Whether a body that is an object may be one record, unless it looks like an error.
            ignore_hints: Paths of hints that do not mean more rows. Any other hint of more rows says that a body
                without the path is not an empty page.
            read: Reads a JSON list of records.
            masking: Drops and hashes fields before they are read.
        """
        self.steps = compile_path(data_selector)
        names = tuple(step for step in self.steps if isinstance(step, str))
        self._names = names if len(names) == len(self.steps) else ()
        self._selector = data_selector
        self._allow_missing = allow_missing
        self._body_is_record = body_is_record
        self._object_is_record = object_is_record or None in self.steps
        self._ignore_hints = {normalize_path(path) for path in ignore_hints}
        self._read = read if masking is None else partial(masking.read, read=read)
        self._masking = masking

    @classmethod
    def of(
        cls,
        endpoint: Endpoint,
        *,
        is_bound: bool = False,
        read: Callable[[bytes], PageRecords] = read_dicts,
        masking: Masking | None = None,
    ) -> Self:
        """The selector of an endpoint's records.

        Args:
            endpoint: The endpoint.
            is_bound: Whether requests contain values of a parent's row or of `for_each`.
            read: Reads a JSON list of records.
            masking: Drops and hashes fields before they are read.
        """
        is_single_page = isinstance(endpoint.paginator, SinglePageConfig)
        return cls(
            endpoint.data_selector,
            allow_missing=endpoint.allow_missing_selector,
            object_is_record=is_single_page,
            body_is_record=is_single_page and is_bound,
            ignore_hints=endpoint.ignore_hints,
            read=read,
            masking=masking,
        )

    def count_records(self, body: bytes) -> int:
        """The records in a body that may be something else; 0 where any object would be a record."""
        try:
            return 0 if self._object_is_record else len(self.page(body).records)
        except ResponseError:
            return 0

    def page(self, body: bytes) -> Page:
        """The page of a body.

        Raises:
            ResponseError: The body is not JSON, or the selector does not lead to records.
        """
        names = self._names
        if names and (envelope := Envelope.around(body, names)):
            with suppress(ResponseError):
                return Page(self._select(envelope, body), envelope)
            self._names = ()  # the records are not the last list of the body, or there is an error
        envelope = Envelope(body)
        try:
            return Page(self._select(envelope, body), envelope)
        except ResponseError:
            decode(body)  # a body that is not JSON is described by the place of its first error
            raise

    def _select(self, envelope: Envelope, body: bytes) -> PageRecords:
        encoded: list[bytes] = []
        decoded: list[Any] = []
        for value in envelope.matches(self.steps):
            kind = TYPE_BY_FIRST_BYTE.get(bytes(memoryview(value)[:1])) if isinstance(value, Raw) else type(value)
            if kind is list or (kind is dict and (self.steps or self._body_is_record)):
                if kind is dict and not self.steps and ERROR_FIELDS.issuperset(envelope.open(value)):
                    raise self._error("leads to an object that seems to be an error", body)
                if kind is dict and not self.steps:
                    self._check_is_not_page(envelope, body)
                if kind is dict and not self._object_is_record:
                    self._check_is_record(decode_raw(value), body)
                if not isinstance(value, Raw):
                    decoded += value if kind is list else [value]
                else:
                    encoded.append(value if kind is list else b"[%b]" % bytes(value))
            elif self._allow_missing and value is MISSING:
                self._check_is_empty(envelope, body)
            elif not (self._allow_missing and kind is type(None)):
                found = decode_raw(value)
                problem = "nothing" if found is MISSING else f"a {type_name(type(found))}, not a list of records,"
                raise self._error(f"leads to {problem}", body)
        if decoded and self._masking:
            decoded = self._masking.apply(decoded)
        records = decoded or self._read(bytes(encoded[0]) if len(encoded) == 1 else concat_lists(encoded))
        if isinstance(records, list) and (others := set(map(type, records)) - {dict}):
            raise self._error(f"leads to {', '.join(sorted(map(type_name, others)))} among the records", body)
        return records

    def _check_is_record(self, value: dict[str, Any], body: bytes) -> None:
        """Raises ResponseError if the object holds the records of the page."""
        if any(isinstance(child, list) and any(isinstance(item, dict) for item in child) for child in value.values()):
            raise self._error("leads to an object that holds a list of objects, one level above the records,", body)

    def _check_is_not_page(self, envelope: Envelope, body: bytes) -> None:
        """Raises ResponseError if the body, which would be one record, is a page of many."""
        more = (hint for hint in find_hints(envelope, ("",)) if hint.more)  # beside a list of any name
        hint = next((hint for hint in more if normalize_path(hint.path) not in self._ignore_hints), None)
        if hint and any(self._proposals(body)):
            raise self._error(f"leads to an object with a list of objects and with more pages ({hint}),", body)

    def _check_is_empty(self, envelope: Envelope, body: bytes) -> None:
        """Raises ResponseError if a body without the selector's path is not an empty page."""
        hints = (hint for hint in find_hints(envelope, self.steps) if hint.more or hint.total)
        if more := [hint for hint in hints if normalize_path(hint.path) not in self._ignore_hints]:
            raise self._error(f"leads to nothing, but the API says that there are rows ({more[0]}),", body)
        if any(self._proposals(body)):
            raise self._error("leads to nothing, but there is a list of objects", body)

    def _proposals(self, body: bytes) -> Iterator[str]:
        return record_lists(decode(body))

    def _error(self, problem: str, body: bytes) -> ResponseError:
        proposals = [path for path in self._proposals(body) if path != self._selector]
        remedy = f": did you mean `data_selector: {proposals[0]}`?" if proposals else ""
        if not self._allow_missing and not proposals:
            remedy = "; if a response without it has no rows, set `allow_missing_selector: true`"
        return ResponseError(
            f"`data_selector: {self._selector}` {problem} in the response {summary(decode(body))}. "
            f"If the response is an error, correct the request; if not, correct the selector{remedy}"
        )


def concat_lists(lists: Iterable[bytes]) -> bytes:
    """JSON lists as one JSON list."""
    return b"[%b]" % b",".join(filter(None, (bytes(each)[1:-1].strip() for each in lists)))
