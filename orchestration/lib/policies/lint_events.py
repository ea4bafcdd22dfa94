"""Lint of policies/events.yml."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.lib.policies.finding import Finding
from orchestration.lib.policies.load import PolicySet


def lint_events(policies: PolicySet) -> Iterator[Finding]:
    """Findings in events.yml."""
    yield from ()
