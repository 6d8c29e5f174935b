"""Credentials by name -> signed requests: static credentials, OAuth2, token stores."""
