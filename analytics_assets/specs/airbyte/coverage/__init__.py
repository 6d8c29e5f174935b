"""The fields that each component of a manifest can have, and what becomes of each."""
