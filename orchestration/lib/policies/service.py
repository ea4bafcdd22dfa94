"""The shape of policies/service.yml: within how long complaints are answered, and what of surveys is reported."""

from __future__ import annotations

from orchestration.lib.policies.model import DatedVersion, Strict


class ServiceVersion(DatedVersion):
    """One dated version of the rules."""


class Service(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[ServiceVersion, ...]
