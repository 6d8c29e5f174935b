"""Credentials: from the names of secrets to signed requests.

Secrets are read by name (`secret_reader`), one alternative is selected (`alternatives`) and resolved to plain values
(`credentials`). An authenticator (`static`, `oauth2`) signs requests with them; OAuth2 tokens are shared through a
token store (`file_token_store`, `postgres_token_store`).
"""
