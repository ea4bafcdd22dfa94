"""What every compiled table of dated rules begins with: the version, and the days on which it is in force."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from orchestration.lib.policies.books import BookVersion
from orchestration.lib.policies.model import DatedVersion

VERSION_COLUMNS = [("policy_version", pa.string()), ("effective_from", pa.date32()), ("effective_to", pa.date32())]


def version_values(name: str, version: DatedVersion | BookVersion) -> dict[str, Any]:
    """Values of VERSION_COLUMNS for a version of the file ``name``."""
    return {
        "policy_version": f"{name}@{version.version}",
        "effective_from": version.effective_from,
        "effective_to": version.effective_to,
    }
