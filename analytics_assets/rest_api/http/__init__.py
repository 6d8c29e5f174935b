"""HTTP: client (retries, rate limit, redirects), transport (libcurl), URLs."""
