"""The shape of policies/actions.yml: what comes first on an employee's daily list, and how long the list may be."""

from __future__ import annotations

from orchestration.lib.policies.model import DatedVersion, Strict


class ActionsVersion(DatedVersion):
    """One dated version of the rules."""


class Actions(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[ActionsVersion, ...]
