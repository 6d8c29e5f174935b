"""Base of all configuration models: hints at the nearest key, dlt's names as aliases, errors that name their key.

pydantic's discriminated unions put tags into the paths of errors, and its JSON schema reports "not valid under any of
the given schemas" where a form depends on another value. `ByType` and `OneOrMany` replace both.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    ModelWrapValidatorHandler,
    ValidationError,
    model_validator,
)
from pydantic_core import CoreSchema, core_schema
from typing_extensions import Self

from analytics_assets.rest_api.config.parsing.validation import (
    Problem,
    nearest,
    problems_in,
    unknown_key,
    validation_error,
)


def field_docstrings(model: type[BaseModel]) -> dict[str, str]:
    """The docstrings below the fields of a model, by field name.

    pydantic's `use_attribute_docstrings` reads them at import, which takes longer than the rest of the import.
    """
    docstrings: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if issubclass(base, Model) and base is not Model:
            [definition] = ast.parse(textwrap.dedent(inspect.getsource(base))).body
            assert isinstance(definition, ast.ClassDef)
            for above, below in zip(definition.body, definition.body[1:], strict=False):
                text = below.value if isinstance(below, ast.Expr) else None
                if isinstance(above, ast.AnnAssign) and isinstance(text, ast.Constant) and isinstance(text.value, str):
                    docstrings[ast.unparse(above.target)] = inspect.cleandoc(text.value)
    return docstrings


class Model(BaseModel):
    """A mapping of the YAML file."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        hide_input_in_errors=True,
        defer_build=True,  # builds only the models that a file uses, which makes the import faster
    )

    aliases: ClassVar[Mapping[str, str]] = {}
    """dlt's name of a key -> our name."""
    unsupported: ClassVar[Mapping[str, str]] = {}
    """A key of dlt's that is not supported -> what to do instead."""
    ignored: ClassVar[frozenset[str]] = frozenset()
    """Keys that are allowed and have no effect."""
    shorthand: ClassVar[str | None] = None
    """The key that a lone text sets."""

    @classmethod
    def known_keys(cls) -> list[str]:
        """The keys, as they stand in the YAML file."""
        return sorted(field.alias or name for name, field in cls.model_fields.items())

    @model_validator(mode="wrap")
    @classmethod
    def _validate_keys(cls, data: Any, handler: ModelWrapValidatorHandler[Self]) -> Self:
        """Validate the values of known keys, and report unknown keys together with wrong values."""
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
                problems.append(((str(key),), f"has the same meaning as {written[name]!r}: remove one of the two"))
            elif name in keys:
                known[name], written[name] = value, str(key)
            elif name not in cls.ignored:
                problems.append(((str(key),), cls._unknown(key)))
        try:
            model = handler(known)
        except ValidationError as error:
            for path, message in problems_in(error):
                key_as_written = (written.get(key, str(key)) for key in path[:1])
                problems.append(((*key_as_written, *path[1:]), message))
        if problems:
            raise validation_error(*problems)
        return model

    @classmethod
    def _unknown(cls, key: object) -> str:
        if key in cls.unsupported:
            return f"dlt's key is not supported: {cls.unsupported[str(key)]}"
        return unknown_key(key, cls.known_keys(), also=[*cls.aliases, *cls.ignored])

    @classmethod
    def __get_pydantic_json_schema__(cls, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """The schema for editors and `dg check yaml`: with aliases, and with errors at the key that is wrong."""
        reference = handler(schema)
        document = handler.resolve_ref_schema(reference)
        properties = document.get("properties", {})
        for property_ in properties.values():
            alternatives = property_.pop("anyOf", None)
            if alternatives:
                property_.update(_or_null(next(form for form in alternatives if form != {"type": "null"})))
            if property_.get("default", 0) is None:
                del property_["default"]
        for name, text in field_docstrings(cls).items():
            key = cls.model_fields[name].alias or name
            properties.get(key, {}).setdefault("description", text)
        for alias, name in cls.aliases.items():
            properties[alias] = {**properties[name], "description": f"dlt's name for `{name}`."}
            if name in document.get("required", []):
                document["required"].remove(name)
                either = {"if": {"not": {"required": [alias]}}, "then": {"required": [name]}}
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
    allowed = form.get("enum", [form["const"]] if "const" in form else None)
    enum = {} if allowed is None else {"enum": [*allowed, None]}
    return {**{key: value for key, value in form.items() if key != "const"}, **enum, "type": [*types, "null"]}


@dataclass(frozen=True, eq=False)
class ByType:
    """One of several models, chosen by the key `type`. A lone text is a `type` without further keys.

    Attributes:
        models: The models; the annotation of their field `type` lists their types.
        unsupported: A type of dlt's that is not supported -> what to do instead.
    """

    models: tuple[type[Model], ...]
    unsupported: Mapping[str, str] = field(default_factory=dict)

    @property
    def types(self) -> dict[str, type[Model]]:
        """`type` -> model."""
        return {name: model for model in self.models for name in get_args(model.model_fields["type"].annotation)}

    def validate(self, data: Any) -> Model:
        """Validate by the model that `type` names.

        Raises:
            ValueError: There is no `type`.
            ValidationError: The `type` is unknown, or the other keys do not match it.
        """
        if isinstance(data, self.models):
            return data
        types = self.types
        if isinstance(data, str):
            data = {"type": data}
        if not isinstance(data, Mapping) or "type" not in data:
            raise ValueError(f"must be a mapping whose `type` is one of {', '.join(types)}")
        name = data["type"]
        if isinstance(name, str) and name in types:
            return types[name].model_validate(data)
        if isinstance(name, str) and name in self.unsupported:
            message = f"dlt's {name!r} is not supported: {self.unsupported[name]}"
        else:
            message = f"must be one of {', '.join(types)}{nearest(name, types)}"
        raise validation_error((("type",), message))

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self.validate, json_schema_input_schema=handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        """`if`/`then` for each type, so that a problem is reported at its key."""
        types = self.types
        without_keys = [name for name, model in types.items() if _needs_only_type(model)]
        branches: list[dict[str, Any]] = []
        if without_keys:
            branches.append({"if": {"type": "string"}, "then": {"enum": without_keys}})
        for model, form in zip(self.models, handler(schema)["anyOf"], strict=True):
            of_type = {"enum": [name for name in types if types[name] is model]}
            condition = {"type": "object", "properties": {"type": of_type}, "required": ["type"]}
            branches.append({"if": condition, "then": form})
        return {
            "type": ["string", "object"] if without_keys else "object",
            "required": ["type"],
            "properties": {"type": {"enum": list(types)}},
            "allOf": branches,
        }


def _needs_only_type(model: type[Model]) -> bool:
    return all(name == "type" or not field.is_required() for name, field in model.model_fields.items())


class ListOrOther:
    """A list or another form, by `if`/`else` in the JSON schema, so that a problem is reported at its key."""

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, Any]:
        forms = handler(schema)["anyOf"]
        many = next(form for form in forms if form.get("type") == "array")
        other = next(form for form in forms if form is not many)
        return {"if": {"type": "array"}, "then": many, "else": other}


@dataclass(frozen=True)
class OneOrMany(ListOrOther):
    """A tuple; a single value stands for a list of one."""

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        item = handler.generate_schema(get_args(source)[0])
        return core_schema.no_info_wrap_validator_function(
            self.validate,
            handler(source),
            json_schema_input_schema=core_schema.union_schema([item, core_schema.list_schema(item)]),
        )

    def validate(self, data: Any, handler: Callable[[Any], Any]) -> Any:
        """Validate a list, or one value without an index in the paths of its problems.

        Raises:
            ValidationError: A value is invalid.
        """
        if isinstance(data, (list, tuple)):
            return handler(data)
        try:
            return handler([data])
        except ValidationError as error:
            raise validation_error(*((path[1:], message) for path, message in problems_in(error))) from None
