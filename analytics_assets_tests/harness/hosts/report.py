"""What a deployment does at this time, as text for the message of a failed assertion. Contains no secret."""

from __future__ import annotations

import json
from typing import Any

from analytics_assets_tests.harness.hosts.deployment import SECRETS, Deployment

EVENTS = 12  # of each run
LINES = 12  # of each log
WIDTH = 240
QUEUE = """
for key in $(redis-cli --raw keys '*'); do
    case $(redis-cli --raw type "$key") in list) echo "$key: $(redis-cli --raw llen "$key") waiting steps";; esac
done
redis-cli --raw hkeys unacked | sed 's/^/in progress: /'
redis-cli --raw zrange unacked_index 0 -1 withscores
date +'now: %s'
"""
SESSIONS = """
SELECT host(client_addr) AS host, state, wait_event, age(now(), xact_start)::text AS transaction,
    age(now(), state_change)::text AS since, left(query, 100) AS query,
    (SELECT count(*) FROM pg_locks AS held WHERE held.pid = session.pid AND granted) AS locks
FROM pg_stat_activity AS session WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
"""


def describe(deployment: Deployment) -> str:
    """Runs with their last events, PostgreSQL's sessions, Celery's queue, and the end of each process's log."""
    runs = deployment.runs()
    unfinished = [run for run in runs if run["status"] != "SUCCESS"]
    parts = {
        "runs": "\n".join(_line(run) for run in runs),
        **{f"events of run {run['run_id']}": _events(deployment, run["run_id"]) for run in unfinished},
        "sessions of PostgreSQL": "\n".join(_line(session) for session in deployment.query(SESSIONS)),
        "Celery's queue": deployment.hosts["broker"].run("sh", "-c", QUEUE),
        **{f"end of {name}.log": _end(text) for name, text in deployment.logs().items()},
    }
    text = "\n".join(f"--- {title}\n{part}" for title, part in parts.items())
    for secret in SECRETS:
        text = text.replace(secret, "***")
    return text


def _line(values: dict[str, Any]) -> str:
    return ", ".join(f"{key} {value}" for key, value in values.items() if value is not None)


def _events(deployment: Deployment, run_id: str) -> str:
    """The last events of a run: time, step, type, message and the class and message of an error."""
    found = deployment.query(
        "SELECT to_char(timestamp, 'HH24:MI:SS') AS at, event FROM event_logs "
        f"WHERE run_id = '{run_id}' AND dagster_event_type IS NOT NULL ORDER BY id DESC LIMIT {EVENTS}"
    )
    lines = []
    for row in reversed(found):
        event = json.loads(row["event"])
        dagster_event = event["dagster_event"]
        error = (dagster_event.get("event_specific_data") or {}).get("error") or {}
        words = (row["at"], event.get("step_key"), dagster_event["event_type_value"], event["user_message"])
        lines.append(" ".join(str(word) for word in (*words, error.get("message")) if word)[:WIDTH].rstrip())
    return "\n".join(lines)


def _end(log: str) -> str:
    return "\n".join(line[:WIDTH] for line in log.splitlines()[-LINES:])
