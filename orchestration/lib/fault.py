"""Fault points for tests: at a named step this process dies, as in a power cut, or something else breaks.

Each module that changes what others can see declares its steps once and passes them in order::

    BEFORE_RENAME = fault.declare("landing.before_rename", "files written, none in place yet")
    ...
    fault.point(BEFORE_RENAME)

With ``TIERHOUSE_FAULT=landing.before_rename`` the process is killed there; with ``name:3`` at the
third time it comes by. A test that wants another fault than a kill sets ``strike`` in the process that
it starts. Unset (always, outside tests) a point costs two dictionary look-ups.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable

ENV = "TIERHOUSE_FAULT"

_declared: dict[str, str] = {}
_hits: dict[str, int] = {}
_lock = threading.Lock()


class UnknownFaultPoint(ValueError):
    """A point was passed that no module declared: tests could not enumerate it."""


def _kill() -> None:
    """SIGKILL: nothing is flushed or tidied."""
    os.kill(os.getpid(), signal.SIGKILL)


# What happens at the wanted point.
strike: Callable[[], None] = _kill


def declare(name: str, meaning: str) -> str:
    """Register a step under ``name`` (``<module>.<step>``) and return the name."""
    if _declared.get(name, meaning) != meaning:
        raise ValueError(f"fault point {name} is declared twice with different meanings")
    _declared[name] = meaning
    return name


def declared() -> dict[str, str]:
    """Every declared point and its meaning, in order of declaration (import the modules first)."""
    return dict(_declared)


def point(name: str) -> None:
    """The fault strikes here if the test asks for it."""
    if name not in _declared:
        raise UnknownFaultPoint(f"fault point {name} is not declared")
    wanted = os.environ.get(ENV)
    if not wanted:
        return
    wanted_name, _, nth = wanted.partition(":")
    if wanted_name != name:
        return
    with _lock:
        _hits[name] = _hits.get(name, 0) + 1
        is_wanted = _hits[name] == int(nth or 1)
    if is_wanted:
        strike()
