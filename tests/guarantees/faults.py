"""Faults that strike a process at a fault point. All are real: the kernel says no, nothing is patched."""

from __future__ import annotations

import ctypes
import errno
import multiprocessing
import os
import resource
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from orchestration.lib import fault
from orchestration.lib.build import build_lock
from orchestration.lib.home import Home
from tests.guarantees.records import acknowledged

KILL, DISK_FULL, FSYNC, MEMORY, LOCK = "kill -9", "disk full", "failing fsync", "memory limit", "lock held"
# The second meaning of a held lock: another process has the working file open and does not let go.
WAREHOUSE = "warehouse held"
FILLER = ".filler"
FAULTS = (KILL, DISK_FULL, FSYNC, MEMORY, LOCK)

# Processes that have the slow libraries loaded; a cold one takes longer to import than to build.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(
    ["tests.guarantees.scenarios", "dbt.cli.main", "dbt.adapters.duckdb", "great_expectations"]
)

# --- what happens at the point, in the process that is struck ------------------------------------------------


def kill() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def fill_disk(filler: Path) -> None:
    """Write a file until the file system that it lies on has no room: from here on writes fail with ENOSPC."""
    with filler.open("wb", buffering=0) as stream:
        for size in (1 << 24, 1 << 12, 1):
            block = bytes(size)
            while True:
                try:
                    if stream.write(block) < size:
                        break
                except OSError as error:
                    if error.errno != errno.ENOSPC:
                        raise
                    break


class _Filter(ctypes.Structure):
    _fields_ = (("code", ctypes.c_ushort), ("jt", ctypes.c_ubyte), ("jf", ctypes.c_ubyte), ("k", ctypes.c_uint32))


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Filter)))


_SYSTEM_CALLS = {"x86_64": (74, 75, 317), "aarch64": (82, 83, 277)}  # fsync, fdatasync, seccomp


def fail_fsync() -> None:
    """From here on every fsync and fdatasync of this process, DuckDB's too, fails with EIO (a seccomp filter)."""
    fsync, fdatasync, seccomp = _SYSTEM_CALLS[os.uname().machine]
    load, is_equal, give_back, fails, allowed = 0x20, 0x15, 0x06, 0x0005_0000 | errno.EIO, 0x7FFF_0000
    steps = (
        _Filter(load, 0, 0, 0),
        _Filter(is_equal, 1, 0, fsync),
        _Filter(is_equal, 0, 1, fdatasync),
        _Filter(give_back, 0, 0, fails),
        _Filter(give_back, 0, 0, allowed),
    )
    program = _Program(len(steps), (_Filter * len(steps))(*steps))
    libc = ctypes.CDLL(None, use_errno=True)
    no_new_privileges, install, every_thread = 38, 1, 1
    if libc.prctl(no_new_privileges, 1, 0, 0, 0) or libc.syscall(seccomp, install, every_thread, ctypes.byref(program)):
        raise OSError(ctypes.get_errno(), "the kernel does not take the filter")
    with Path(os.devnull).open("rb") as stream:
        try:
            os.fsync(stream.fileno())
        except OSError as error:
            if error.errno == errno.EIO:
                return
    raise AssertionError("fsync does not fail")


def limit_memory() -> None:
    """From here on this process gets no further address space: what does not fit into it fails with ENOMEM."""
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize(),) * 2)


def suffer(
    parent: Connection,
    output: Path,
    point: str,
    kind: str,
    home: Home,
    step: Callable[..., object],
    arguments: tuple[Any, ...],
) -> None:
    """For a process of its own: take a step under the build lock; at the point tell the parent and be struck."""
    speak_to(output)

    def strike() -> None:
        parent.send(("struck", acknowledged(home)))
        if parent.recv() == "leave":
            kill()
        {
            KILL: kill,
            DISK_FULL: lambda: fill_disk(home.root / FILLER),
            FSYNC: fail_fsync,
            MEMORY: limit_memory,
            WAREHOUSE: lambda: None,
        }[kind]()
        parent.send(("armed", None))

    fault.strike = strike
    os.environ[fault.ENV] = point
    try:
        with build_lock(home):
            step(home, *arguments)
    except BaseException as error:
        end(parent, f"{type(error).__name__}: {error}".splitlines()[0][:200], 1)
    end(parent, "", 0)


def pass_every_point(
    parent: Connection,
    output: Path,
    points: tuple[str, ...],
    home: Home,
    step: Callable[..., object],
    arguments: tuple[Any, ...],
) -> None:
    """For a process of its own: take a step under the build lock and wait for the parent at each point."""
    speak_to(output)
    told: set[str] = set()

    def wait(name: str) -> None:
        if name in points and name not in told:
            told.add(name)
            parent.send(("at", name))
            parent.recv()

    fault.point = wait  # type: ignore[assignment]
    try:
        with build_lock(home):
            step(home, *arguments)
    except BaseException as error:
        end(parent, f"{type(error).__name__}: {error}".splitlines()[0][:200], 1)
    end(parent, "", 0)


def speak_to(output: Path) -> None:
    descriptor = os.open(output, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)


def end(parent: Connection, error: str, code: int) -> None:
    """Without tidying: threads of libraries that a fault has stopped would be waited for."""
    parent.send(("ended", error))
    os._exit(code)


# --- what the parent does ------------------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """CPU time that a process and its threads have used, to a hundredth of a second."""
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class NoSmallDisk(RuntimeError):
    """This user may not mount a file system."""


@contextmanager
def small_disk(folder: Path, megabytes: int) -> Iterator[Path]:
    """A tmpfs of so many MB."""
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", str(folder)],
        capture_output=True,
        text=True,
        check=False,
    )
    if mounted.returncode:
        raise NoSmallDisk(mounted.stderr.strip())
    try:
        yield folder
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
