"""From a specification of an API to its defs.yaml. Nothing here uses Dagster or the network."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from analytics_assets.rest_api.errors import ConfigError
from analytics_assets.specs.document import ApiDocument, KeyPath, NotCarried
from analytics_assets.specs.openapi import convert_openapi, is_openapi
from analytics_assets.specs.reading import read_spec

__all__ = ["ApiDocument", "KeyPath", "NotCarried", "convert"]


class SpecFormat(NamedTuple):
    """A format of specifications.

    Attributes:
        name: Its name, for messages.
        recognises: Whether a document has the format.
        convert: The API that a document describes. Takes the document, the API's name, and the names of the parts to
            convert (all, if empty).
    """

    name: str
    recognises: Callable[[Any], bool]
    convert: Callable[[Any, str, Sequence[str]], ApiDocument]


FORMATS: tuple[SpecFormat, ...] = (SpecFormat("OpenAPI 3", is_openapi, convert_openapi),)


def convert(path: Path, *, api: str, only: Sequence[str] = ()) -> ApiDocument:
    """The defs.yaml for the API that a file describes.

    Args:
        path: The file. Its format is recognised by its content.
        api: The name of the API.
        only: The resources to convert, by name. All, if empty.

    Raises:
        ConfigError: The file cannot be read or has no known format, or there is no such resource.
    """
    document = read_spec(path)
    for spec_format in FORMATS:
        if spec_format.recognises(document):
            try:
                return spec_format.convert(document, api, only)
            except ConfigError as error:
                raise ConfigError(f"{path}: {error}") from None
    names = ", ".join(spec_format.name for spec_format in FORMATS)
    raise ConfigError(f"{path}: has no known format: it must be one of {names}")
