"""Requests and responses of a stream: authentication, parameters and bodies, pages, errors."""
