"""Lint of policies/service.yml."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.lib.policies.finding import Finding
from orchestration.lib.policies.load import PolicySet


def lint_service(policies: PolicySet) -> Iterator[Finding]:
    """Findings in service.yml."""
    yield from ()
