"""Runs the demo APIs alone: `python -m analytics_assets.sandbox --port 8900`."""

from __future__ import annotations

import argparse
import shlex
import signal
import sys

from analytics_assets.sandbox import builtin
from analytics_assets.sandbox.helpdesk.api import helpdesk
from analytics_assets.sandbox.server import serve


def main() -> int:
    """Serve until interrupted, and print the variables of a client as shell commands."""
    parser = argparse.ArgumentParser(prog="python -m analytics_assets.sandbox", description=__doc__)
    parser.add_argument("--port", type=int, default=8900, help="port on loopback; 0 takes a free one (default: 8900)")
    port = parser.parse_args().port
    stop = {signal.SIGINT, signal.SIGTERM}
    signal.pthread_sigmask(signal.SIG_BLOCK, stop)
    sandbox = builtin.build_sandbox(helpdesk())
    try:
        with serve(sandbox, port=port) as url:
            for name, value in sandbox.variables(url).items():
                print(f"export {name}={shlex.quote(value)}", flush=True)
            signal.sigwait(stop)
    except OSError as error:
        print(f"port {port} cannot be used ({error.strerror}): choose another with --port", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
