"""Faults, crashes, many at once: what a load promises when something goes wrong."""
