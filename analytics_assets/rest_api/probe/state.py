"""The state of a probe, which its steps share: the settings as corrected so far, and what was read with them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from analytics_assets.rest_api.config import ResolvedResource
from analytics_assets.rest_api.extract.envelope import Envelope
from analytics_assets.rest_api.probe.findings import Problem, ResourceFindings, with_fix
from analytics_assets.rest_api.probe.session import Exchange, ProbeSession, TrialRead


@dataclass
class Probe:
    """A probe of one resource.

    Attributes:
        session: Sends the requests.
        resource: The resource, with the corrections found so far.
        findings: What was found so far.
        trial: The last read with these settings.
        refusal: Why the API refuses the parameters of the paginator; empty if it does not.
        siblings: The paths of other resources of the API.
    """

    session: ProbeSession
    resource: ResolvedResource
    findings: ResourceFindings
    trial: TrialRead = field(default_factory=TrialRead)
    refusal: str = ""
    siblings: tuple[str, ...] = ()

    @property
    def first(self) -> Exchange:
        """The exchange of the first page."""
        assert self.trial.first
        return self.trial.first

    @property
    def envelope(self) -> Envelope:
        """The body of the first page."""
        found = self.session.envelope(self.resource, self.first)
        assert found
        return found

    def report(self, message: str, fix: Mapping[str, Any] | None = None) -> None:
        """Add a problem; go on with its correction."""
        self.findings.problems.append(Problem(message.rstrip("."), fix))
        if fix:
            self.resource = with_fix(self.resource, fix)

    def read_again(self) -> None:
        """Read the first pages with the settings as corrected so far."""
        self.trial = self.session.read(self.resource)
