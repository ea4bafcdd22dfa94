"""What a person at a terminal sees of a run: one line per step and message, the rest in a log file."""

from __future__ import annotations

import logging
import sys
from typing import TextIO

import dagster as dg

_SHOWN_EVENTS = {
    "STEP_START": "...",
    "STEP_SUCCESS": "done",
    "STEP_FAILURE": "failed",
    "STEP_SKIPPED": "skipped",
}
MARK = "- "
_terminal: TextIO = sys.stdout


class _ProgressHandler(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        meta = getattr(record, "dagster_meta", {})
        event = meta.get("dagster_event")
        if event is None:
            text = meta.get("orig_message", record.getMessage())
            # Dagster and dagster-dbt log much more; what is meant for a terminal carries the mark.
            if text.startswith(MARK):
                print(f"    {text}", file=_terminal, flush=True)
        elif event.event_type_value in _SHOWN_EVENTS and event.step_key:
            line = f"  {event.step_key} {_SHOWN_EVENTS[event.event_type_value]}"
            print(line, file=_terminal, flush=True)


@dg.logger(config_schema=None, description="Short progress lines on the terminal.")
def progress_logger(init_context: dg.InitLoggerContext) -> logging.Logger:
    log = logging.getLogger("tierhouse.progress")
    log.setLevel(logging.DEBUG)  # step events are debug records
    log.handlers = [_ProgressHandler()]
    log.propagate = False
    return log
