"""`dg scaffold defs analytics_assets.components.RestApi`: writes the `defs.yaml` of a new API."""

from analytics_assets.components.scaffold.scaffolder import RestApiScaffolder

__all__ = ["RestApiScaffolder"]
