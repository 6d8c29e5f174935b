"""Tests of the sandbox over a real socket, with a plain HTTP client."""
