"""What `dg` finds here: the component type that turns an API's YAML file into Dagster definitions."""

from analytics_assets.components.component import RestApi

__all__ = ["RestApi"]
