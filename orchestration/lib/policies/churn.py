"""The shape of policies/churn.yml: what warns of a customer's leaving, and how warnings are tested against the past."""

from __future__ import annotations

from orchestration.lib.policies.model import DatedVersion, Strict


class ChurnVersion(DatedVersion):
    """One dated version of the rules."""


class Churn(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[ChurnVersion, ...]
