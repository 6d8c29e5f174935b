"""The link from an asset to its lines in a defs.yaml."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import quote

import dagster as dg

PROJECT_FILES = (".git", "pyproject.toml")


def source_link(file: Path, line: int, *, git_url: str) -> dg.CodeReferencesMetadataValue:
    """The metadata value of `dagster/code_references`: the file's line, or that line in git.

    Args:
        file: A defs.yaml.
        line: The line where the resource begins.
        git_url: URL of the project's folder in git; empty for a link to the local file.
    """
    if not git_url:
        local = dg.LocalFileCodeReference(file_path=str(file), line_number=line)
        return dg.CodeReferencesMetadataValue(code_references=[local])
    url = f"{git_url}/{quote(path_in_project(file))}#L{line}"
    return dg.CodeReferencesMetadataValue(code_references=[dg.UrlCodeReference(url=url)])


def path_in_project(file: Path) -> str:
    """The path of a file below its project's folder: the nearest one with a `.git` or a `pyproject.toml`.

    An installed package has neither: its files are found below the folder that it is installed in.
    """
    package = Path(__file__).parents[2]
    for folder in file.parents:
        if folder == package.parent or any((folder / name).exists() for name in PROJECT_FILES):
            return file.relative_to(folder).as_posix()
    return file.name
