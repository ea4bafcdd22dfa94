"""The shape of policies/events.yml: what a maintainer must know of, and what an archive must hold."""

from __future__ import annotations

from orchestration.lib.policies.model import DatedVersion, Strict


class EventsVersion(DatedVersion):
    """One dated version of the rules."""


class Events(Strict):
    """``rules`` of a version are the words of the source; its parts name them by their id."""

    versions: tuple[EventsVersion, ...]
