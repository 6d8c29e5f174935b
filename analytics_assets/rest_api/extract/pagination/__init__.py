"""Pagination: which page follows, when a read ends, and what proves that it is complete."""
