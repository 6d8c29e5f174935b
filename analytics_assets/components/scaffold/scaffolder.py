"""The `defs.yaml` that `dg scaffold defs analytics_assets.components.RestApi NAME` writes."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from dagster.components import Scaffolder, ScaffoldRequest
from pydantic import BaseModel, ConfigDict, model_validator
from typing_extensions import Self

from analytics_assets.components.scaffold.template import AUTH, PAGINATORS, render


class ScaffoldOptions(BaseModel):
    """Options of `dg scaffold defs`. An option that is wrong is one line on the console, before anything is written.

    pydantic lets click's errors pass. dg would print its own as JSON.

    Attributes:
        auth: Kind of authentication.
        paginator: Kind of paginator.
        spec: File of a specification that the whole `defs.yaml` is written from.
        only: Patterns of the resources of the specification that are written.
    """

    model_config = ConfigDict(extra="forbid")

    auth: str | None = None
    paginator: str | None = None
    spec: str | None = None
    only: list[str] = []

    @model_validator(mode="wrap")
    @classmethod
    def _validate_options(cls, data: Any, handler: Any) -> Self:
        given = {str(key): value for key, value in data.items()} if isinstance(data, Mapping) else {}
        for name, value in given.items():
            if name not in cls.model_fields:
                raise click.ClickException(f"unknown option {name!r}: the options are {', '.join(cls.model_fields)}")
            is_text = value is None or isinstance(value, str)
            is_list = name == "only" and isinstance(value, (list, tuple)) and all(isinstance(v, str) for v in value)
            if not is_list and (name == "only" or not is_text):
                raise click.ClickException(f"{name!r} must be {'a list of texts' if name == 'only' else 'text'}")
        options: Self = handler(data)
        _validate_choice("auth", options.auth, AUTH)
        _validate_choice("paginator", options.paginator, PAGINATORS)
        if options.spec and (options.auth or options.paginator):
            raise click.ClickException(
                "--spec says what authentication and paginator are: remove --auth and --paginator"
            )
        if options.only and not options.spec:
            raise click.ClickException("--only picks resources of a specification: add --spec FILE")
        return options


def _validate_choice(name: str, value: str | None, allowed: Mapping[str, str]) -> None:
    if value is not None and value not in allowed:
        similar = difflib.get_close_matches(value, allowed, n=1)
        hint = f"; did you mean {similar[0]!r}?" if similar else ""
        raise click.ClickException(f"--{name} must be one of {', '.join(allowed)}{hint}")


class RestApiScaffolder(Scaffolder[ScaffoldOptions]):
    """Writes an API to start from, or the API that a specification describes."""

    @classmethod
    def get_scaffold_params(cls) -> type[ScaffoldOptions]:
        """The options."""
        return ScaffoldOptions

    def scaffold(self, request: ScaffoldRequest[ScaffoldOptions]) -> None:
        """Write the file, and print what was written and what to do next.

        Raises:
            ClickException: The specification cannot be converted, or the file exists.
        """
        folder, options = request.target_path, request.params
        file = folder / "defs.yaml"
        if file.exists():
            raise click.ClickException(f"{file} exists already: remove it, or choose another name")
        if options.spec:
            text, messages = _from_spec(folder, options)
        else:
            text, messages = _from_template(folder, options, request.type_name), []
        folder.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        click.echo(f"Wrote {file}.")
        for message in messages:
            click.echo(f"Not carried: {message}")
        if names := _variables(_attributes(text, file)):
            click.echo(f"Set these environment variables, for example in .env: {', '.join(names)}")
        click.echo("Next: correct the file where a comment says so, then run `dg check defs`.")


def _from_spec(folder: Path, options: ScaffoldOptions) -> tuple[str, list[str]]:
    """The text of the file, and what it cannot express."""
    from analytics_assets.rest_api.errors import ConfigError
    from analytics_assets.specs import convert

    patterns = [part.strip() for text in options.only for part in text.split(",") if part.strip()]
    try:
        document = convert(Path(str(options.spec)), api=folder.name, only=patterns)
    except ConfigError as error:
        if folder.is_dir() and not any(folder.iterdir()):
            folder.rmdir()  # dg makes it before; with it, dg would refuse the next try
        raise click.ClickException(str(error)) from None
    return document.to_yaml(), document.messages()


def _from_template(folder: Path, options: ScaffoldOptions, type_name: str) -> str:
    return render(folder.name, type_name, auth=options.auth or "bearer", paginator=options.paginator or "offset")


def _attributes(text: str, file: Path) -> Any:
    from analytics_assets.rest_api.config.parsing.yaml_reader import parse_yaml

    return parse_yaml(text, file).document["attributes"]


def _variables(value: Any) -> list[str]:
    """The environment variables that the values name, in their order."""
    if isinstance(value, Mapping):
        if value.keys() == {"env"} and isinstance(value["env"], str):
            return [value["env"]]
        children: Sequence[Any] = list(value.values())
    elif isinstance(value, list):
        children = value
    else:
        return []
    return list(dict.fromkeys(name for child in children for name in _variables(child)))
