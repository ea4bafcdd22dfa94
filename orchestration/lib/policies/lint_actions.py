"""Lint of policies/actions.yml."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.lib.policies.finding import Finding
from orchestration.lib.policies.load import PolicySet


def lint_actions(policies: PolicySet) -> Iterator[Finding]:
    """Findings in actions.yml."""
    yield from ()
