"""State that runs share: where it is stored, the PostgreSQL database for it, and the slots of rate limits.

Tokens use the same place: `auth.token_store`.
"""
