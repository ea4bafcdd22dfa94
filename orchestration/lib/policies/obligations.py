"""The shape of policies/obligations.yml: what customers of a tier are owed, and when: the rule books' cadences."""

from __future__ import annotations

from orchestration.lib.policies.model import DatedVersion, Strict


class ObligationsVersion(DatedVersion):
    """One dated version of the rules."""


class Obligations(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[ObligationsVersion, ...]
