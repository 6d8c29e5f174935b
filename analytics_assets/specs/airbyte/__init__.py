"""Airbyte's low-code manifests."""

from analytics_assets.specs.airbyte.manifest import convert_manifest, is_manifest

__all__ = ["convert_manifest", "is_manifest"]
