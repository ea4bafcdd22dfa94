"""Append-only files of JSON lines: a line is committed by its newline and one fsync."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from orchestration.lib.files import fsync_path


def read_lines(path: Path) -> list[bytes]:
    """Committed lines in order, none when there is no file. A torn last line was never committed."""
    try:
        return path.read_bytes().split(b"\n")[:-1]
    except FileNotFoundError:
        return []


def append_lines(path: Path, records: Iterable[dict[str, Any]]) -> None:
    """Commit records in one fsynced write, cutting off a torn last line before it: all of them or none.

    What could not be written whole and made durable is taken back, since a reader would take it for committed.
    """
    payload = "".join(json.dumps(r, ensure_ascii=False, separators=(",", ":")) + "\n" for r in records).encode()
    if not payload:
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    is_new = not path.exists()
    fd = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        end = _end_of_last_line(fd)
        os.ftruncate(fd, end)
        os.lseek(fd, end, os.SEEK_SET)
        view = memoryview(payload)
        try:
            while view:
                view = view[os.write(fd, view) :]
            os.fsync(fd)
            if is_new:
                fsync_path(path.parent)
        except OSError:
            os.ftruncate(fd, end)
            raise
    finally:
        os.close(fd)


def _end_of_last_line(fd: int) -> int:
    """Offset just past the last newline of the file: what comes after it is a torn write."""
    end = os.fstat(fd).st_size
    while end:
        start = max(0, end - 65536)
        newline = os.pread(fd, end - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        end = start
    return 0
