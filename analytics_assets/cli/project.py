"""The project's folder of a command: its .env, and its DAGSTER_HOME."""

from __future__ import annotations

import os
from pathlib import Path

from dotenv import load_dotenv

from analytics_assets.rest_api.errors import ConfigError

HOME = "DAGSTER_HOME"


def prepare_environment() -> Path | None:
    """Read the file .env of the current folder, and set DAGSTER_HOME if it is not set: tokens are stored beside it.

    Returns:
        The folder `.dagster` of the project, if DAGSTER_HOME was not set and the project has one.
    """
    load_dotenv(Path.cwd() / ".env")
    if os.environ.get(HOME):
        return None
    folders = (folder / ".dagster" for folder in (Path.cwd(), *Path.cwd().parents))
    found = next((folder for folder in folders if (folder / "dagster.yaml").is_file()), None)
    if found:
        os.environ[HOME] = str(found)
    return found


def check_dagster_home() -> None:
    """Check that DAGSTER_HOME is a folder: a run without history would not show in the UI.

    Raises:
        ConfigError: It is not.
    """
    home = os.environ.get(HOME)
    if not home:
        raise ConfigError(
            f"{HOME} is not set, and there is no folder .dagster with a dagster.yaml here: the run would not show in "
            f"the UI. Run the command in the project's folder, or set the variable: export {HOME}=/path/to/.dagster"
        )
    if not Path(home).is_absolute() or not Path(home).is_dir():
        raise ConfigError(f"{HOME}: {home} must be the absolute path of a folder that exists: mkdir -p {home}")
