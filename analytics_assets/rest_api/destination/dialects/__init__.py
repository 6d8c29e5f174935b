"""Statements for warehouses that loads are not connected to: they are generated, and were never run there."""
