"""Configurations of dlt's `rest_api` source: a dictionary in Python code, or JSON."""

from analytics_assets.specs.dlt_config.api import convert_dlt_config, is_dlt_config
from analytics_assets.specs.dlt_config.python_reader import is_python, read_python

__all__ = ["convert_dlt_config", "is_dlt_config", "is_python", "read_python"]
