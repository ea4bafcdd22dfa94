"""What is installed is what was locked, nothing listens beyond this machine, and no setting holds a secret."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import pytest

from orchestration.lib.home import PROJECT_ROOT

LOCK = (PROJECT_ROOT / "requirements.lock").read_text("utf-8")
# Installed by venv itself, and the project.
NOT_LOCKED = {"pip", "tierhouse"}
SECRET = re.compile(
    r"""(?ix) \b[\w-]* (password|passwd|secret|token|api_?key|webhook|private_?key) [\w-]* ["']? \s* [:=] \s*
    ["'] (?P<value> [^"'\s{}$<>]{8,} ) ["']"""
)
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----|://[^/\s:@{}]+:[^/\s@{}]+@")


def plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def locked() -> dict[str, tuple[str, int]]:
    """Package -> locked version and the number of its hashes."""
    found = {}
    for block in re.split(r"\n(?=[a-z0-9])", LOCK, flags=re.IGNORECASE):
        head = re.match(r"([A-Za-z0-9._-]+)(?:\[[^\]]*\])?==(\S+)", block)
        if head:
            found[plain(head[1])] = (head[2], len(re.findall(r"--hash=sha256:[0-9a-f]{64}", block)))
    return found


def test_every_installed_package_is_locked_with_its_version_and_hashes() -> None:
    installed = {plain(d.metadata["Name"]): d.version for d in metadata.distributions()}
    of_lock = locked()
    unlocked = {
        name: version
        for name, version in installed.items()
        if name not in NOT_LOCKED and of_lock.get(name, ("", 0))[0] != version
    }
    assert unlocked == {}
    assert [name for name, (_, hashes) in of_lock.items() if not hashes] == []


def test_the_lock_names_no_registry_and_installed_packages_agree_with_one_another() -> None:
    assert not re.search(r"(?m)^\s*(--(extra-)?index-url|--find-links|-f|-i)\b|https?://(?!github)", LOCK)
    checked = subprocess.run(
        [sys.executable, "-m", "pip", "check", "--disable-pip-version-check"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout


def tracked_texts() -> dict[str, str]:
    names = subprocess.run(
        ["git", "ls-files", "-z"], cwd=PROJECT_ROOT, capture_output=True, check=True
    ).stdout.decode().split("\0")  # fmt: skip
    kinds = (".py", ".yml", ".yaml", ".toml", ".sh", ".json", ".cfg", ".ini", ".sql", "Makefile", ".ci/run")
    return {
        name: (PROJECT_ROOT / name).read_text("utf-8")
        for name in names
        if name.endswith(kinds) and not name.startswith("tests/") and (PROJECT_ROOT / name).is_file()
    }


def secrets_in(text: str) -> list[str]:
    # In capitals it is the name of an environment variable.
    values = [m["value"] for m in SECRET.finditer(text) if not re.fullmatch(r"[A-Z][A-Z0-9_]*", m["value"])]
    return values + [m[0] for m in PRIVATE_KEY.finditer(text)]


def test_no_setting_holds_a_secret_and_nothing_binds_to_every_address() -> None:
    texts = tracked_texts()
    assert {name: found for name, text in texts.items() if (found := secrets_in(text))} == {}
    assert [name for name, text in texts.items() if re.search(r"\b0\.0\.0\.0\b|\[::\]", text)] == []


@pytest.mark.parametrize(
    "line",
    [
        'webhook = "hooks.example/abcdef123"',
        "password: 'correct-horse'",
        "api_key='0123456789abcdef'",
        "-----BEGIN PRIVATE KEY-----",
        "dsn: postgresql://bank:hunter22@db/marts",
    ],
)
def test_a_secret_in_a_setting_is_found(line: str) -> None:
    assert secrets_in(line)


@pytest.mark.parametrize("line", ["webhook = os.environ.get(ALERT_WEBHOOK)", "password: {{ env_var('PG_PASSWORD') }}"])
def test_a_secret_that_comes_from_the_environment_is_none(line: str) -> None:
    assert secrets_in(line) == []


def listening(pids: set[int]) -> set[str]:
    """Addresses (hex, as the kernel writes them) on which processes accept TCP connections."""
    sockets = set()
    for pid in pids:
        try:
            links = [str(fd.readlink()) for fd in Path(f"/proc/{pid}/fd").iterdir()]
        except (FileNotFoundError, PermissionError):
            continue
        sockets |= {link[8:-1] for link in links if link.startswith("socket:[")}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text("utf-8").splitlines()[1:]:
            fields = line.split()
            if fields[3] == "0A" and fields[9] in sockets:
                found.add(fields[1].split(":")[0])
    return found


def session_of(pid: int) -> set[int]:
    """Every process that a process started, at any depth."""
    parents = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parents[int(stat.parent.name)] = int(stat.read_text("utf-8").rsplit(")", 1)[1].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return family


@pytest.mark.full
@pytest.mark.skipif(not Path("/proc/net/tcp").exists(), reason="reads the kernel's table of sockets")
def test_the_ui_and_all_that_it_starts_listen_on_the_loopback_address_alone(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "orchestration.cli", "dev", "--home", str(tmp_path), "--port", str(port)]
    served = subprocess.Popen(command, cwd=PROJECT_ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    try:
        assert served.stdout is not None
        lines = []
        for line in served.stdout:
            lines.append(line)
            if "Serving dagster-webserver" in line:
                break
        assert "Serving dagster-webserver" in lines[-1], "".join(lines)
        addresses: set[str] = set()  # it says so shortly before it listens
        while served.poll() is None and not addresses:
            addresses = listening(session_of(served.pid))
        assert addresses == {"0100007F"}
    finally:
        for pid in sorted(session_of(served.pid), reverse=True):
            subprocess.run(["kill", "-INT", str(pid)], check=False)
        served.stdout.close()
        served.wait()
