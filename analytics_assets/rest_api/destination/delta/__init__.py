"""Delta Lake tables on S3 or in a local folder. Needs the extra `delta`."""
