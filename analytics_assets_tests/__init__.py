"""Tests, in the tree of the package that they are for."""
