"""Type hints resolve at run time: documentation tools, validators and `functools.singledispatch` read them."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
import typing
from collections.abc import Iterator

import pytest

import analytics_assets

MODULES = sorted(
    module.name
    for module in pkgutil.walk_packages(analytics_assets.__path__, "analytics_assets.")
    if not module.name.endswith("__main__")
)


def public_objects(name: str) -> Iterator[object]:
    """The public functions, classes, and methods that a module defines."""
    for key, value in vars(importlib.import_module(name)).items():
        if key.startswith("_") or getattr(value, "__module__", None) != name:
            continue
        if inspect.isclass(value):
            yield value
            yield from (
                method
                for key, method in inspect.getmembers(value, inspect.isfunction)
                if method.__module__ == name and (key == "__init__" or not key.startswith("_"))
            )
        elif inspect.isfunction(value):
            yield value


@pytest.mark.parametrize("module", MODULES)
def test_type_hints_of_public_objects_resolve(module: str) -> None:
    for public in public_objects(module):
        if inspect.isclass(public):
            inspect.get_annotations(public, eval_str=True)  # without those of the base classes of dlt and Dagster
        else:
            typing.get_type_hints(public)
