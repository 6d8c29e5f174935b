"""Masking: fields that are dropped or hashed before records are decoded, so that nothing else sees their values."""

from __future__ import annotations

import difflib
import hmac
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

import msgspec
from msgspec import Raw

from analytics_assets.rest_api.auth.secret_reader import SecretReader, reference_name
from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import CredentialsError, DataError
from analytics_assets.rest_api.extract.body_shape import FIELD_NAME
from analytics_assets.rest_api.extract.envelope import MISSING
from analytics_assets.rest_api.extract.json_decoding import decode
from analytics_assets.rest_api.extract.records import PageRecords, read_dicts

MIN_SALT_LENGTH = 16
MAX_SIBLINGS = 200  # names that are compared with a field that no record has
NESTED = (b"{", b"[")
ROWS: msgspec.json.Decoder[list[dict[str, Raw]]] = msgspec.json.Decoder(list[dict[str, Raw]])
SHALLOW: msgspec.json.Decoder[Any] = msgspec.json.Decoder(dict[str, Raw] | list[Raw])
encode = msgspec.json.Encoder().encode


@dataclass
class MaskedField:
    """A step of a path to a masked field.

    Attributes:
        children: The next steps, by name.
        is_last: Whether a path ends here.
        salt: The key of the HMAC; None if the field is dropped.
        was_found: Whether a record had the field.
        siblings: Names of other fields beside it, as long as no record had it.
    """

    children: dict[str, MaskedField] = field(default_factory=dict)
    is_last: bool = False
    salt: bytes | None = field(default=None, repr=False)
    was_found: bool = False
    siblings: set[str] = field(default_factory=set)


class Masking:
    """Drops and hashes fields of records. Safe to share between threads.

    Attributes:
        secret_values: The keys of the HMACs.
        read_structs: Decodes records without the dropped fields, which is faster than to rewrite their JSON; returns
            None for records that it cannot decode. Only for fields of `skippable_fields`.
    """

    def __init__(self, exclude: Sequence[str] = (), salts: Mapping[str, str] | None = None) -> None:
        """
        Args:
            exclude: Paths of the fields to drop.
            salts: The key of the HMAC for each path of a field to hash.
        """
        self._root = MaskedField()
        self._steps: dict[str, list[tuple[str, MaskedField]]] = {}
        self.secret_values = frozenset((salts or {}).values())
        self.read_structs: Callable[[bytes], PageRecords | None] | None = None
        for path in exclude:
            if not any(path.startswith(f"{other}.") for other in exclude):
                self._add(path, None)
        for path, salt in (salts or {}).items():
            self._add(path, salt.encode())

    def _add(self, path: str, salt: bytes | None) -> None:
        node, steps = self._root, []
        for name in path.split("."):
            node = node.children.setdefault(name, MaskedField())
            steps.append((name, node))
        node.is_last, node.salt = True, salt
        self._root.children.setdefault(path, node)  # a name with dots, such as a column of CSV
        self._steps[path] = steps

    def read(self, records: bytes, read: Callable[[bytes], PageRecords]) -> PageRecords:
        """The records of a JSON list, decoded by `read` after their fields are dropped and hashed.

        Raises:
            DataError: A value cannot be hashed.
            ResponseError: It is not JSON.
        """
        may_skip = all(node.was_found for node in self._root.children.values())
        if may_skip and self.read_structs and (structs := self.read_structs(records)) is not None:
            return structs
        try:
            rows = ROWS.decode(records)
        except (msgspec.DecodeError, ValueError, RecursionError):
            return self.apply(read_dicts(records))
        for row in rows:
            self._mask_fields(row, self._root)
        return read(encode(rows))

    def apply(self, records: list[Any]) -> list[Any]:
        """Drop and hash fields of decoded records, in place."""
        return [self._masked(record, self._root) for record in records]

    def excluded_columns(self, stored: Collection[str], column_name: Callable[[str], str]) -> list[str]:
        """The stored columns of fields that are dropped: their values are of earlier loads."""
        dropped = [path for path, steps in self._steps.items() if steps[-1][1].salt is None]
        return [name for path in dropped if (name := column_name(path)) in stored]

    def warnings(self, optional: Collection[str] = ()) -> Iterator[str]:
        """A sentence for each field that no record had: its name may be misspelled.

        Args:
            optional: Paths of fields that records may lack; they are reported only if a similar name was found.
        """
        for path, steps in self._steps.items():
            if steps[-1][1].was_found:
                continue
            name, node = next((name, node) for name, node in steps if not node.was_found)
            similar = ", ".join(map(repr, similar_names(name, node.siblings)))
            if similar:
                yield (
                    f"no record has the field {path!r} of `exclude` or `hash`, but fields with similar names are "
                    f"loaded as they are: {similar}. Correct the name, in the same case"
                )
            elif path not in optional:
                yield f"no record has the field {path!r} of `exclude` or `hash`: check its spelling"

    def _mask_fields(self, fields: dict[str, Any], node: MaskedField) -> None:
        for name, child in node.children.items():
            value = fields.get(name, MISSING)
            if value is MISSING:
                if not child.was_found and len(child.siblings) < MAX_SIBLINGS:
                    child.siblings.update(fields)
                continue
            child.was_found = True
            if not child.is_last:
                fields[name] = self._masked(value, child)
            elif child.salt is None:
                del fields[name]
            else:
                fields[name] = hashed(value, child.salt, name)

    def _masked(self, value: Any, node: MaskedField) -> Any:
        """The value with the fields below `node` dropped and hashed; a path leads through lists."""
        if isinstance(value, Raw):
            is_nested = bytes(memoryview(value)[:1]) in NESTED
            return Raw(encode(self._masked(SHALLOW.decode(value), node))) if is_nested else value
        if isinstance(value, list):
            return [self._masked(item, node) for item in value]
        if isinstance(value, dict):
            self._mask_fields(value, node)
        return value


def build_masking(resource: ResolvedResource, environ: Mapping[str, str]) -> Masking | None:
    """The masking of a resource; None if it loads all fields as they are.

    Raises:
        CredentialsError: The secret of a hash is not set, or too short.
    """
    if not resource.exclude and not resource.hash:
        return None
    reader = SecretReader(environ)
    salts = {path: reader.require(reference, f"hash.{path}") for path, reference in resource.hash.items()}
    for path, salt in salts.items():
        if len(salt) < MIN_SALT_LENGTH:
            raise CredentialsError(
                f"`hash.{path}`: {reference_name(resource.hash[path])} has fewer than {MIN_SALT_LENGTH} characters: "
                "short secrets can be guessed. Set a random one and do not change it: another one gives other hashes"
            )
    return Masking(resource.exclude, salts)


def skippable_fields(resource: ResolvedResource) -> tuple[str, ...]:
    """The fields of `exclude`, if no field inside another one and no hash needs the JSON of the records rewritten."""
    is_simple = not resource.hash and not any("." in path for path in resource.exclude)
    return resource.exclude if is_simple else ()


def excluded_columns_warning(names: Sequence[str]) -> str:
    return (
        f"the table still has the columns {', '.join(names)} of `exclude`, with the values of earlier loads. Run the "
        "full refresh: it creates the table anew"
    )


def hashed(value: Any, salt: bytes, name: str) -> Any:
    """The HMAC-SHA-256 (hex) of a value's text as the API wrote it; null stays null, a list becomes a list of hashes.

    Raises:
        DataError: The value is an object, or a fraction whose text is not known.
    """
    if isinstance(value, Raw):
        text = bytes(value)
        value = decode(value) if text.startswith((b'"', b"{", b"n")) else value
        if text.startswith(b"["):
            return Raw(encode([hashed(item, salt, name) for item in SHALLOW.decode(value)]))
        if isinstance(value, Raw):
            return _hmac(text, salt)
    if value is None:
        return None
    if isinstance(value, list):
        return [hashed(item, salt, name) for item in value]
    if isinstance(value, bool):
        return _hmac(str(value).lower().encode(), salt)
    if isinstance(value, (str, int)):
        return _hmac(str(value).encode("utf-8", "surrogatepass"), salt)
    if isinstance(value, (float, Decimal)):
        raise DataError(
            f"the field {name!r} of `hash` is a number with a fraction, beside text with half of a surrogate pair: "
            "its digits as the API wrote them are not known"
        )
    raise DataError(f"the field {name!r} of `hash` is an object: name the fields in it, as in `{name}.id`")


def _hmac(text: bytes, salt: bytes) -> str:
    return hmac.digest(salt, text, "sha256").hex()


def similar_names(name: str, others: set[str]) -> list[str]:
    """Names that differ only in case, punctuation or a few letters."""
    comparable: dict[str, list[str]] = {}
    for other in sorted(others):
        if FIELD_NAME.fullmatch(other):  # other names may be data, which messages do not quote
            comparable.setdefault(_comparable(other), []).append(other)
    return [other for key in difflib.get_close_matches(_comparable(name), comparable, n=3) for other in comparable[key]]


def _comparable(name: str) -> str:
    return "".join(filter(str.isalnum, name.lower()))
