"""The sandbox, asked over a real socket by a plain HTTP client."""
