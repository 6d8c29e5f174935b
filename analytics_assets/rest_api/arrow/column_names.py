"""Names: what a field of the API is called in the table."""

from __future__ import annotations

from dlt.common.normalizers.naming.snake_case import NamingConvention


def naming(max_length: int = 0) -> NamingConvention:
    """dlt's snake_case; longer names than the destination takes are shortened, 0 is no bound."""
    return NamingConvention(max_length)


def column_name(field: str, convention: NamingConvention | None = None) -> str:
    """A field's name as dlt writes it in SQL; one of blanks only is `x`, as one of signs only is."""
    return str((convention or naming()).normalize_identifier(field if field.strip() else "_"))
