"""From a specification of an API to its defs.yaml. Nothing here uses Dagster or the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analytics_assets.rest_api.config.parsing.yaml_reader import read_text
from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs.airbyte import convert_manifest, is_manifest
from analytics_assets.specs.dlt_config import convert_dlt_config, is_dlt_config, is_python, read_python
from analytics_assets.specs.document import ApiDocument, KeyPath, NotCarried
from analytics_assets.specs.openapi import convert_openapi, is_openapi
from analytics_assets.specs.reading import MAX_BYTES, parse_spec

__all__ = ["ApiDocument", "KeyPath", "NotCarried", "convert"]


class SpecFormat(NamedTuple):
    """A format of specifications.

    Attributes:
        name: Its name, for messages.
        keys: The keys by which a document of it is known, for messages.
        recognises: Whether a document has the format.
        convert: The API that a document describes. Takes the document, the API's name, and the names of the parts to
            convert (all, if empty).
    """

    name: str
    keys: str
    recognises: Callable[[Any], bool]
    convert: Callable[[Any, str, Sequence[str]], ApiDocument]


DLT_CONFIG = SpecFormat("dlt's rest_api", "`client` and `resources`", is_dlt_config, convert_dlt_config)
FORMATS: tuple[SpecFormat, ...] = (
    SpecFormat("OpenAPI 3", "`openapi`", is_openapi, convert_openapi),
    SpecFormat("Airbyte low-code manifest", "`streams`", is_manifest, convert_manifest),
    DLT_CONFIG,
)


def convert(path: Path, *, api: str, only: Sequence[str] = ()) -> ApiDocument:
    """The defs.yaml for the API that a file describes.

    Args:
        path: The file. Its format is recognised by its content.
        api: The name of the API.
        only: The resources to convert, by name. All, if empty.

    Raises:
        ConfigError: The file cannot be read or has no known format, or there is no such resource.
    """
    text = read_text(path, max_bytes=MAX_BYTES)
    if is_python(path, text):
        spec_format, document = DLT_CONFIG, read_python(path, text)
    else:
        document = parse_spec(text, path)
        recognised = [each for each in FORMATS if each.recognises(document)]
        if not recognised:
            names = ", ".join(f"{each.name} ({each.keys})" for each in FORMATS)
            if document is None:
                raise ConfigError(f"{path}: is empty: it must be one of {names}")
            raise ConfigError(f"{path}: has no known format: it must be one of {names}")
        spec_format = recognised[0]
    try:
        return spec_format.convert(document, api, only)
    except ConfigError as error:
        raise ConfigError(f"{path}: {error}") from None
