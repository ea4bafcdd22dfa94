"""Small file operations that must survive a crash."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path


def fsync_tree(folder: Path) -> None:
    """Flush every file below a folder, then the folders themselves, to disk."""
    for root, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(root) / name
            if path.is_symlink():
                continue
            fsync_path(path)
        fsync_path(Path(root))


def fsync_path(path: Path) -> None:
    """Make a file's bytes, or a folder's entries, durable."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def file_sha256(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def write_atomically(path: Path, content: str | bytes) -> None:
    """Replace a file's content in one step: readers see the old content or the new one."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    temporary.write_bytes(content.encode() if isinstance(content, str) else content)
    fsync_path(temporary)
    os.replace(temporary, path)
    fsync_path(path.parent)
