"""What all configuration models share: keys checked with a hint, dlt's names as synonyms, errors that name their place.

pydantic's own errors tell neither the allowed keys nor the nearest one, repeat values (secrets among them), and
put the tags of its unions into the path of a key. Its JSON schema says "not valid under any of the given schemas"
where a form depends on another value. All of that is mended here, once.
"""

from __future__ import annotations

import ast
import difflib
import inspect
import re
import textwrap
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, ErrorDetails, InitErrorDetails, PydanticCustomError, core_schema
from typing_extensions import Self

T = TypeVar("T")
KeyPath = tuple[str | int, ...]
Problem = tuple[KeyPath, str]
"""What is wrong at a key: its path below the value that is being validated, and a sentence."""

OURS = "config"
WORDS = {
    "Value error, ": "",
    "Input should be": "must be",
    "a valid tuple": "a list",
    "a valid frozenset": "a list",
    "a valid dictionary": "a mapping",
    "a valid string": "text",
}


def validation_error(*problems: Problem) -> ValidationError:
    """The error that pydantic carries upwards, putting the keys above before each path."""
    details: list[InitErrorDetails] = [
        {"type": PydanticCustomError(OURS, message), "loc": place, "input": None} for place, message in problems
    ]
    return ValidationError.from_exception_data("configuration", details, hide_input=True)


def problems_in(error: ValidationError) -> Iterator[Problem]:
    for details in error.errors(include_url=False):
        yield details["loc"], to_message(details)


def to_message(error: ErrorDetails) -> str:
    """pydantic's error as a sentence about the key, without the value."""
    if error["type"] == "missing":
        return "is required"
    message = error["msg"]
    for theirs, ours in WORDS.items():
        message = message.replace(theirs, ours)
    if error["type"] == "literal_error":
        message += nearest(error["input"], re.findall(r"'([^']+)'", message))
    return message


def nearest(given: object, allowed: Iterable[str]) -> str:
    """A hint at what was probably meant; empty if nothing is near."""
    close = difflib.get_close_matches(str(given)[:100], list(allowed), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def unknown_key(key: object, allowed: Iterable[str], *, also: Iterable[str] = ()) -> str:
    """What is allowed in place of a key; `also` names further keys that may be meant."""
    known = list(allowed)
    return f"unknown key{nearest(key, [*known, *also]) or ';'} allowed: {', '.join(known)}"


def read_each(data: Any, read: Callable[[str, Any], T]) -> dict[str, T]:
    """Read a mapping value by value, so that each problem is reported at its key."""
    if not isinstance(data, Mapping):
        raise ValueError("must be a mapping of names to values")
    problems: list[Problem] = []
    values: dict[str, T] = {}
    for name, value in data.items():
        try:
            values[str(name)] = read(str(name), value)
        except ValidationError as error:
            problems += [((str(name), *place), message) for place, message in problems_in(error)]
        except ValueError as error:
            problems.append(((str(name),), str(error)))
    if problems:
        raise validation_error(*problems)
    return values


def docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The texts below the fields of a model. pydantic's own reading of them takes longer than all else of an import."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Model) and base is not Model:
            [definition] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(definition, ast.ClassDef)
            for above, below in zip(definition.body, definition.body[1:], strict=False):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(above, ast.AnnAssign) and isinstance(text, ast.Constant) and isinstance(text.value, str):
                    found[ast.unparse(above.target)] = inspect.cleandoc(text.value)
    return found


class Model(BaseModel):
    """A mapping of the YAML file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        defer_build=True,  # each process pays for it: only what a file needs is built
    )

    aliases: ClassVar[Mapping[str, str]] = {}
    """dlt's name of a key -> ours."""
    unsupported: ClassVar[Mapping[str, str]] = {}
    """A key of dlt's that is not taken -> what to do instead."""
    ignored: ClassVar[frozenset[str]] = frozenset()
    """Keys that may stand there and are not read."""
    shorthand: ClassVar[str | None] = None
    """The key that a lone text stands for."""

    @classmethod
    def known_keys(cls) -> list[str]:
        return sorted(field.alias or name for name, field in cls.model_fields.items())

    @model_validator(mode="wrap")
    @classmethod
    def _check_keys(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Validate the known keys, and report the unknown ones beside what is wrong with the others."""
        if isinstance(data, cls):
            return handler(data)
        if isinstance(data, str) and cls.shorthand:
            data = {cls.shorthand: data}
        keys = cls.known_keys()
        if not isinstance(data, Mapping):
            raise ValueError(f"must be a mapping with some of the keys {', '.join(keys)}")
        problems: list[Problem] = []
        known: dict[str, Any] = {}
        written: dict[object, str] = {}
        for key, value in data.items():
            name = cls.aliases.get(key, key)
            if name in known:
                problems.append(((str(key),), f"means the same as {written[name]!r}: keep one of the two"))
            elif name in keys:
                known[name], written[name] = value, str(key)
            elif name not in cls.ignored:
                problems.append(((str(key),), cls._unknown(key)))
        try:
            model = handler(known)
        except ValidationError as error:
            for place, message in problems_in(error):
                key_as_written = (written.get(key, str(key)) for key in place[:1])
                problems.append(((*key_as_written, *place[1:]), message))
        if problems:
            raise validation_error(*problems)
        return model

    @classmethod
    def _unknown(cls, key: object) -> str:
        if key in cls.unsupported:
            return f"dlt's key is not carried here: {cls.unsupported[str(key)]}"
        return unknown_key(key, cls.known_keys(), also=[*cls.aliases, *cls.ignored])

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema for editors and `dg check yaml`: with synonyms, and with errors at the key that is wrong."""
        reference = handler(schema)
        document = handler.resolve_ref_schema(reference)
        properties = document.get("properties", {})
        for property_ in properties.values():
            alternatives = property_.pop("anyOf", None)
            if alternatives:
                property_.update(_or_null(next(form for form in alternatives if form != {"type": "null"})))
            if property_.get("default", 0) is None:
                del property_["default"]
        for name, text in docstrings(cls).items():
            key = cls.model_fields[name].alias or name
            properties.get(key, {}).setdefault("description", text)
        for synonym, name in cls.aliases.items():
            properties[synonym] = {**properties[name], "description": f"dlt's name for `{name}`."}
            if name in document.get("required", []):
                document["required"].remove(name)
                either = {"if": {"not": {"required": [synonym]}}, "then": {"required": [name]}}
                document.setdefault("allOf", []).append(either)
        for name in cls.ignored:
            properties.setdefault(name, {})
        if cls.shorthand:
            document["type"] = ["string", "object"]
        return reference


def _or_null(form: dict[str, Any]) -> dict[str, Any]:
    if "type" not in form:
        return {"if": {"type": "null"}, "else": form}
    types = form["type"] if isinstance(form["type"], list) else [form["type"]]
    enum = {"enum": [*form["enum"], None]} if "enum" in form else {}
    return {**form, **enum, "type": [*types, "null"]}


@dataclass(frozen=True, eq=False)
class ByType:
    """One of several models, told apart by the key `type`; a lone text is a `type` that needs no other key.

    In place of pydantic's discriminated union, whose tags stand in the paths of errors.
    """

    models: tuple[type[Model], ...]
    unsupported: Mapping[str, str] = field(default_factory=dict)

    @property
    def kinds(self) -> dict[str, type[Model]]:
        return {kind: model for model in self.models for kind in get_args(model.model_fields["type"].annotation)}

    def validate(self, data: Any) -> Model:
        if isinstance(data, self.models):
            return data
        kinds = self.kinds
        if isinstance(data, str):
            data = {"type": data}
        if not isinstance(data, Mapping) or "type" not in data:
            raise ValueError(f"must be a mapping whose `type` is one of {', '.join(kinds)}")
        kind = data["type"]
        if isinstance(kind, str) and kind in kinds:
            return kinds[kind].model_validate(data)
        if isinstance(kind, str) and kind in self.unsupported:
            message = f"dlt's {kind!r} is not carried here: {self.unsupported[kind]}"
        else:
            message = f"must be one of {', '.join(kinds)}{nearest(kind, kinds)}"
        raise validation_error((("type",), message))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate, json_schema_input_schema=handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """`if`/`then` for each type: a mistake is reported at its key, where `anyOf` only says that nothing fits."""
        kinds = self.kinds
        alone = [kind for kind, model in kinds.items() if _needs_only_type(model)]
        branches: list[dict[str, Any]] = []
        if alone:
            branches.append({"if": {"type": "string"}, "then": {"enum": alone}})
        for model, form in zip(self.models, handler(schema)["anyOf"], strict=True):
            of_type = {"enum": [kind for kind in kinds if kinds[kind] is model]}
            condition = {"type": "object", "properties": {"type": of_type}, "required": ["type"]}
            branches.append({"if": condition, "then": form})
        return {
            "type": ["string", "object"] if alone else "object",
            "required": ["type"],
            "properties": {"type": {"enum": list(kinds)}},
            "allOf": branches,
        }


def _needs_only_type(model: type[Model]) -> bool:
    return all(name == "type" or not field.is_required() for name, field in model.model_fields.items())


class ListOrNot:
    """Chooses between a list and another form in the JSON schema: errors in either are reported at their key."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        forms = handler(schema)["anyOf"]
        many = next(form for form in forms if form.get("type") == "array")
        other = next(form for form in forms if form is not many)
        return {"if": {"type": "array"}, "then": many, "else": other}


@dataclass(frozen=True)
class OneOrMany(ListOrNot):
    """A tuple that may be written as one value in place of a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        item = handler.generate_schema(get_args(source)[0])
        return core_schema.no_info_wrap_validator_function(
            self.validate,
            handler(source),
            json_schema_input_schema=core_schema.union_schema([item, core_schema.list_schema(item)]),
        )

    def validate(self, data: Any, handler: Callable[[Any], Any]) -> Any:
        if isinstance(data, (list, tuple)):
            return handler(data)
        try:
            return handler([data])
        except ValidationError as error:
            raise validation_error(*((place[1:], message) for place, message in problems_in(error))) from None
