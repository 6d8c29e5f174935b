"""Credentials: from the names of secrets to signed requests.

Secrets are read by name (`secret_reader`), one alternative is selected (`alternatives`) and resolved to plain values
(`credentials`). An authenticator (`static`, `token_authenticator`) signs requests with them. Tokens that expire come
from an OAuth2 endpoint (`token_endpoint`) or a login (`login`), and are shared through a token store
(`file_token_store`, `postgres_token_store`).
"""
