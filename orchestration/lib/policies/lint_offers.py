"""Lint of policies/offers.yml."""

from __future__ import annotations

from collections.abc import Iterator

from orchestration.lib.policies.finding import Finding
from orchestration.lib.policies.load import PolicySet


def lint_offers(policies: PolicySet) -> Iterator[Finding]:
    """Findings in offers.yml."""
    yield from ()
