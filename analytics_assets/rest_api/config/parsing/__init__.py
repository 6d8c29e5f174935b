"""Reads a YAML file into models, with the file, line and key of each problem."""
