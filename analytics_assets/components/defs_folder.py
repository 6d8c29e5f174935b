"""The defs folder: the definitions of every `<api>/defs.yaml` below it."""

from __future__ import annotations

import importlib
import re
import warnings
from pathlib import Path
from types import ModuleType

import dagster as dg
from dagster.components.core.component_tree import ComponentTree

from analytics_assets.components.component import RestApi
from analytics_assets.rest_api.config import COMPONENT, load_config

TYPE_OF_COMPONENT = re.compile(r"^type:[ \t]*['\"]?([\w.]+)\.(\w+)['\"]?[ \t]*$", re.ASCII | re.MULTILINE)


def load_defs_folder(folder: Path) -> tuple[dg.Definitions, list[RestApi]]:
    """Load the components of a folder, wherever it is.

    Returns:
        The definitions of all components, and the components that are REST APIs.

    Raises:
        ConfigError: A `defs.yaml` is invalid. The message names file, line and key.
    """
    for file in sorted(folder.rglob("defs.yaml")):
        # Before Dagster reads the file: its errors are stack traces, and a few nested aliases keep it busy forever.
        if not is_other_component(file):
            load_config(file)
    module = ModuleType("analytics_assets.defs")
    module.__path__ = [str(folder)]
    module.__file__ = str(folder / "__init__.py")
    tree = ComponentTree.from_module(defs_module=module, project_root=folder.parent)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", category=dg.BetaWarning)  # about the link from an asset to its YAML file
        # With a path: without one, Dagster also writes the JSON schemas of all components, a third of a second a run.
        definitions = tree.build_defs(tree.defs_module_path)
    return dg.Definitions.merge(definitions, dg.Definitions(component_tree=tree)), tree.get_all_components(RestApi)


def is_other_component(file: Path) -> bool:
    """Whether a `defs.yaml` names a component that exists and is not `RestApi`. Dagster then checks the file."""
    text = file.read_bytes().decode(errors="replace")
    found = TYPE_OF_COMPONENT.search(text)
    if found is None or COMPONENT in text:
        return False
    try:
        component = getattr(importlib.import_module(found[1]), found[2], None)
    except ImportError:
        return False
    return isinstance(component, type) and issubclass(component, dg.Component)
