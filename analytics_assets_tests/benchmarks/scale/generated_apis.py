"""Generated folders of `<api>/defs.yaml` files, and a server that answers all of their endpoints."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

ROWS = 20  # of each endpoint


def write_apis(folder: Path, *, apis: int, resources: int, start: str, minute: int = 0) -> Path:
    """Write the files of APIs whose resources are loaded by the hour; returns the folder of definitions."""
    for api in range(apis):
        name = f"api_{api:03}"
        attributes = {
            "client": {
                "base_url": {"env": "SCALE_BASE_URL"},
                "auth": {"type": "bearer", "token": {"env": "SCALE_TOKEN"}},
            },
            "resource_defaults": {
                "primary_key": "id",
                "columns": {"updated_at": {"type": "string", "format": "date-time"}},
                "endpoint": {"data_selector": "data", "paginator": {"type": "single_page"}},
            },
            "resources": [
                {
                    "name": f"resource_{number:02}",
                    "endpoint": {
                        "path": f"/{name}/resource_{number:02}",
                        "incremental": {
                            "cursor_path": "updated_at",
                            "start_param": "updated_from",
                            "end_param": "updated_to",
                        },
                    },
                }
                for number in range(resources)
            ],
            "partitions": {"cadence": "hourly", "start": start},
            "schedule": {"minute": minute},
        }
        file = folder / "defs" / name / "defs.yaml"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(yaml.safe_dump({"type": "analytics_assets.components.RestApi", "attributes": attributes}))
    return folder / "defs"


class Handler(BaseHTTPRequestHandler):
    """Answers every request with the same few rows, changed at the start of the requested window."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        _, _, changed = self.path.partition("updated_from=")
        changed = changed.partition("&")[0].replace("%3A", ":")
        body = json.dumps({"data": [{"id": number, "updated_at": changed} for number in range(ROWS)]}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def serve_apis() -> Iterator[dict[str, str]]:
    """Serve the endpoints; gives the variables of the generated APIs."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield {"SCALE_BASE_URL": f"http://127.0.0.1:{server.server_port}", "SCALE_TOKEN": "a-token-of-the-benchmark"}
    finally:
        server.shutdown()
        server.server_close()
