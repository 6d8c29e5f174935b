"""Which of the alternatives under `auth` is used: the first one whose variables are all set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from analytics_assets.rest_api.auth.secret_reader import variables, variables_set
from analytics_assets.rest_api.config import Auth
from analytics_assets.rest_api.errors import CredentialsError


@dataclass(frozen=True)
class _Alternative:
    """One alternative, with the names of its variables that are set and unset."""

    auth: Auth
    present: frozenset[str]
    missing: tuple[str, ...]

    @classmethod
    def of(cls, auth: Auth, environ: Mapping[str, str]) -> _Alternative:
        present = frozenset(variables_set(auth, environ))
        return cls(auth, present, tuple(name for name in variables(auth) if name not in present))

    def __str__(self) -> str:
        present = f" ({', '.join(sorted(self.present))} set)" if self.present else ""
        return f"{self.auth.type} lacks {', '.join(self.missing)}{present}"


def select_auth(auths: Sequence[Auth], *, api: str, environ: Mapping[str, str]) -> Auth | None:
    """The first alternative whose variables are all set; None if the API needs no credentials.

    A partially set alternative is an error wherever it stands in the list: otherwise another one would be used by
    accident. Variables that it shares with a fully set alternative, such as a client ID, do not count.

    Raises:
        CredentialsError: No alternative is fully set, or one is partially set. The message lists the missing variables.
    """
    if not auths:
        return None
    alternatives = [_Alternative.of(auth, environ) for auth in auths]
    complete = [alternative for alternative in alternatives if not alternative.missing]
    shared = frozenset[str]().union(*(alternative.present for alternative in complete))
    partial = [alternative for alternative in alternatives if alternative.missing and alternative.present - shared]
    if complete and not partial:
        return complete[0].auth
    state = "partially set" if partial else "not set"
    fix = "Set the missing variables, or unset the others" if partial else "Set all variables of one alternative"
    unset = [] if complete else [alternative for alternative in alternatives if alternative not in partial]
    raise CredentialsError(
        f"the credentials of {api} are {state}: {'; '.join(map(str, partial + unset))}. "
        f"{fix}. An empty value counts as unset."
    )
