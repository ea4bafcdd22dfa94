"""Lint of policies/churn.yml."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.lib.policies.finding import Finding
from orchestration.lib.policies.load import PolicySet


def lint_churn(policies: PolicySet) -> Iterator[Finding]:
    """Findings in churn.yml."""
    yield from ()
