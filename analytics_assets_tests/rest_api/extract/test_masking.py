"""Masked fields: dropped or hashed at every place that a path leads to; all other values keep their text."""

# ruff: noqa: E501  (a case is a line)
from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from analytics_assets.rest_api.arrow.table_schema import TableSchema
from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.errors import CredentialsError, DataError, ResponseError
from analytics_assets.rest_api.extract.masking import Masking, build_masking, similar_names, skippable_fields
from analytics_assets.rest_api.extract.records import PageRecords

SALT = "0123456789abcdef"
HALF_SURROGATE = r'"\ud800"'


def hashed(text: str) -> str:
    """The HMAC as Python's own module computes it."""
    return hmac.new(SALT.encode(), text.encode(), hashlib.sha256).hexdigest()


def masked(records: str, exclude: Sequence[str] = (), hashes: Sequence[str] = ()) -> str:
    """The JSON list that is decoded after masking."""
    texts: list[bytes] = []

    def read(clean: bytes) -> list[Any]:
        texts.append(clean)
        return []

    Masking(exclude, dict.fromkeys(hashes, SALT)).read(records.encode(), read)
    [text] = texts
    return text.decode()


EXCLUDED = [
    ('[{"id":1,"ssn":"x"},{"id":2}]', ["ssn"], '[{"id":1},{"id":2}]'),
    ('[{"ssn":{"a":[1]},"id":1}]', ["ssn"], '[{"id":1}]'),
    ('[{"ssn":1,"id":1,"ssn":2}]', ["ssn"], '[{"id":1}]'),
    ('[{"SSN":1,"ssn":2}]', ["ssn"], '[{"SSN":1}]'),
    ('[{"contact":{"phone":"1","name":"a"}}]', ["contact.phone"], '[{"contact":{"name":"a"}}]'),
    ('[{"contact":null},{"contact":"text"},{"contact":[]}]', ["contact.phone"], '[{"contact":null},{"contact":"text"},{"contact":[]}]'),
    ('[{"contacts":[{"phone":1,"b":2},[{"phone":3}],4]}]', ["contacts.phone"], '[{"contacts":[{"b":2},[{}],4]}]'),
    ('[{"a":{"b":[{"c":{"d":1,"e":2}}]}}]', ["a.b.c.d"], '[{"a":{"b":[{"c":{"e":2}}]}}]'),
    ('[{"contact.phone":1,"contact":{"phone":2}}]', ["contact.phone"], '[{"contact":{}}]'),
    ('[{"contact":{"phone":2}}]', ["contact", "contact.phone"], "[{}]"),
    ('[{"n":1.50,"big":123456789012345678901234567890,"e":1E400,"x":1}]', ["x"], '[{"n":1.50,"big":123456789012345678901234567890,"e":1E400}]'),
    ('[ { "a" : [ 1 , 2 ] , "x" : 1 } ]', ["x"], '[{"a":[ 1 , 2 ]}]'),
    ("[]", ["x"], "[]"),
]  # fmt: skip


@pytest.mark.parametrize(("records", "exclude", "expected"), EXCLUDED)
def test_excluded_fields_are_dropped_and_others_keep_their_text(
    records: str, exclude: list[str], expected: str
) -> None:
    assert masked(records, exclude) == expected


HASHED: list[tuple[str, str | None]] = [
    ('"ada@example.com"', "ada@example.com"),
    (r'"Zo\u00eb"', "Zoë"),
    ('""', ""),
    ("1.50", "1.50"),
    ("123456789012345678901234567890", "123456789012345678901234567890"),
    ('"1.50"', "1.50"),
    ("true", "true"),
    ("null", None),
]


@pytest.mark.parametrize(("value", "text"), HASHED)
@pytest.mark.parametrize("path", ["email", "contact.email"])
def test_values_are_hashed_as_the_api_wrote_them(path: str, value: str, text: str | None) -> None:
    expected = "null" if text is None else f'"{hashed(text)}"'
    record = '[{"email":%s}]' if path == "email" else '[{"contact":{"email":%s}}]'
    assert masked(record % value, hashes=[path]) == record % expected


def test_a_list_is_hashed_value_by_value() -> None:
    found = json.loads(masked('[{"emails":["a",["b",null],2]}]', hashes=["emails"]))
    assert found == [{"emails": [hashed("a"), [hashed("b"), None], hashed("2")]}]


@pytest.mark.parametrize("records", ['[{"contact":{"a":1}}]', '[{"contact":[{"a":1}]}]'])
def test_an_object_is_not_hashed(records: str) -> None:
    with pytest.raises(DataError, match=r"'contact' of `hash` is an object: name the fields in it, as in `contact.id`"):
        masked(records, hashes=["contact"])


def test_text_that_only_pythons_parser_accepts_is_masked_too() -> None:
    masking = Masking(["ssn", "contact.phone"], {"email": SALT, "n": SALT})
    records = '[{"ssn":"x","half":%s,"contact":{"phone":1},"email":"a","n":12}]'.replace("%s", HALF_SURROGATE)
    found = masking.read(records.encode(), lambda _: pytest.fail("decoded without masking"))
    assert found == [{"half": "\ud800", "contact": {}, "email": hashed("a"), "n": hashed("12")}]


def test_a_fraction_beside_half_a_character_is_an_error() -> None:
    """Its digits are lost there: 1.50 would get the hash of 1.5."""
    with pytest.raises(DataError, match="'n' of `hash` is a number with a fraction"):
        Masking((), {"n": SALT}).read(b'[{"half":%b,"n":1.50}]' % HALF_SURROGATE.encode(), lambda _: [])


@pytest.mark.parametrize("body", [b"[{", b'[{"a":"\xff\xfe"}]', b'[{"a":1}'])
def test_what_is_not_json_is_an_error(body: bytes) -> None:
    with pytest.raises(ResponseError, match="not valid"):
        Masking((), {"a": SALT}).read(body, lambda _: [])


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(st.characters(exclude_categories=["Cs"]), max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=10,
)


def without(value: Any, path: Sequence[str]) -> Any:
    """The value without the field, as the documentation describes it."""
    if isinstance(value, list):
        return [without(item, path) for item in value]
    if not isinstance(value, dict):
        return value
    first, *rest = path
    return {
        name: without(child, rest) if name == first else child for name, child in value.items() if rest or name != first
    }


@given(
    records=st.lists(st.dictionaries(st.sampled_from("abc"), JSON)), path=st.sampled_from(["a", "a.b", "a.b.c", "b.b"])
)
def test_only_the_excluded_field_is_missing(records: list[dict[str, Any]], path: str) -> None:
    assert json.loads(masked(json.dumps(records), [path])) == without(records, path.split("."))
    assert Masking([path]).apply(json.loads(json.dumps(records))) == without(records, path.split("."))


def test_structs_leave_out_fields_that_were_found() -> None:
    """The JSON of the records is rewritten only until each excluded field was found."""
    schema = TableSchema(primary_key=["id"], skipped=["ssn"])
    masking = Masking(["ssn"])
    masking.read_structs = schema.read_structs
    rewritten: list[bytes] = []

    def read(records: bytes) -> PageRecords:
        rewritten.append(records)
        return schema.read(records)

    pages = [b'[{"id":1}]', b'[{"id":2,"ssn":"x"}]', b'[{"id":3,"ssn":[1]},{"id":4}]', b'[{"id":5,"ssn":1,"new":2}]']
    tables = [schema.convert(masking.read(page, read)).to_pylist() for page in pages]
    assert tables == [[{"id": 1}], [{"id": 2}], [{"id": 3}, {"id": 4}], [{"id": 5, "new": 2}]]
    assert rewritten == [b'[{"id":1}]', b'[{"id":2}]', b'[{"id":5,"new":2}]']
    assert list(masking.warnings()) == []


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"exclude": ("ssn", "dob")}, ("ssn", "dob")),
        ({"exclude": ("ssn", "contact.phone")}, ()),
        ({"exclude": ("ssn",), "hash": {"email": {"env": "HASH_SALT"}}}, ()),
    ],
)
def test_only_top_level_fields_can_be_left_out(keys: dict[str, Any], expected: tuple[str, ...]) -> None:
    assert skippable_fields(resource(**keys)) == expected


# Warnings

MISSING = [
    ('[{"id":1}]', ["ssn"], [], ["no record has the field 'ssn' of `exclude` or `hash`: check its spelling"]),
    ('[{"id":1}]', ["ssn"], ["ssn"], []),
    ('[{"SSN":1}]', ["ssn"], ["ssn"], ["similar names are loaded as they are: 'SSN'. Correct the name, in the same case"]),
    ('[{"Contact":{"phone":1}}]', ["contact.phone"], [], ["'contact.phone' of `exclude` or `hash`, but fields with similar names are loaded as they are: 'Contact'"]),
    ('[{"contact":[{"phone_":1}]}]', ["contact.phone"], [], ["'contact.phone' of `exclude` or `hash`, but fields with similar names are loaded as they are: 'phone_'"]),
    ('[{"id":1},{"ssn":2}]', ["ssn"], [], []),
    ('[{"contact.phone":1}]', ["contact.phone"], [], []),
]  # fmt: skip


@pytest.mark.parametrize(("records", "exclude", "optional", "expected"), MISSING)
def test_a_field_that_no_record_has_is_a_warning(
    records: str, exclude: list[str], optional: list[str], expected: list[str]
) -> None:
    masking = Masking(exclude)
    masking.read(records.encode(), lambda _: [])
    found = list(masking.warnings(optional))
    assert len(found) == len(expected)
    assert all(text in sentence for text, sentence in zip(expected, found, strict=True))


def test_names_that_may_be_data_are_not_shown() -> None:
    assert similar_names("ssn", {"SSN", "s s n", "ssn@example.com", "other"}) == ["SSN"]


# Secrets


def resource(**keys: Any) -> ResolvedResource:
    return ResolvedResource.model_validate({"name": "users", "endpoint": {"path": "/users"}, **keys})


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({}, r"`hash.email`: HASH_SALT is not set"),
        ({"HASH_SALT": "hunter2"}, r"`hash.email`: HASH_SALT has fewer than 16 characters"),
    ],
)
def test_secret_must_be_set_and_long(environ: dict[str, str], message: str) -> None:
    with pytest.raises(CredentialsError, match=message) as caught:
        build_masking(resource(hash={"email": {"env": "HASH_SALT"}}), environ)
    assert "hunter2" not in str(caught.value)


def test_a_resource_without_masked_fields_needs_no_secret() -> None:
    assert build_masking(resource(), {}) is None
