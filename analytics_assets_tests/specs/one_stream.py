"""A manifest of one stream, converted to a defs.yaml that the loader reads."""

from __future__ import annotations

from pathlib import Path

import yaml

from analytics_assets.rest_api.config import load_config
from analytics_assets.specs import ApiDocument, convert
from analytics_assets_tests.specs.manifest_shapes import Component, stream


def convert_stream(requester: Component, spec: Component, folder: Path) -> ApiDocument:
    """The document of the stream `items`.

    Args:
        requester: What the stream's requester has besides its URL.
        spec: The connector's settings.
        folder: For the manifest and its `shop/defs.yaml`.

    Raises:
        ConfigError: The loader refuses the defs.yaml.
    """
    items = stream("items", "/items", requester=requester)
    check = {"type": "CheckStream", "stream_names": ["items"]}
    manifest = {"version": "1.0.0", "type": "DeclarativeSource", "check": check, "streams": [items], "spec": spec}
    file = folder / "manifest.yaml"
    file.write_text(yaml.safe_dump(manifest), encoding="utf-8")
    document = convert(file, api="shop")
    path = folder / "shop" / "defs.yaml"
    path.parent.mkdir()
    path.write_text(document.to_yaml(), encoding="utf-8")
    load_config(path)
    return document
