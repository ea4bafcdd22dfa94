"""The shape of policies/offers.yml: which products are offered to whom."""

from __future__ import annotations

from orchestration.lib.policies.model import DatedVersion, Strict


class OffersVersion(DatedVersion):
    """One dated version of the rules."""


class Offers(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[OffersVersion, ...]
