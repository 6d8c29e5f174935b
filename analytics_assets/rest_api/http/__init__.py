"""HTTP: the client (retries, rate limit, redirects), the transport (libcurl), URLs and error reasons."""
