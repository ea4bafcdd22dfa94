"""What the repository's files must not hold."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Hosts that a file may name: this machine, and standards that files cite.
KNOWN_HOSTS = {"127.0.0.1", "localhost", "www.apache.org", "www.w3.org", "json-schema.org"}
HOST = re.compile(r"(?:https?|git|ssh)://([\w.-]+)")
MACHINE_PATH = re.compile(r"(?<![\w.$})*-])/(?:root|home|Users|work|opt|mnt)/[\w.]")
EMAIL = re.compile(r"[\w.+-]+@[\w-]+(?:\.[\w-]+)*\.[a-z]{2,}\b")


def tracked_texts() -> list[tuple[str, str]]:
    git = shutil.which("git")
    if git is None or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout: the files that belong to the repository are not known")
    listed = subprocess.run(
        [git, "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    texts = []
    for name in filter(None, listed.stdout.split("\0")):
        path = ROOT / name
        if not path.is_file():
            continue
        try:
            texts.append((name, path.read_text(encoding="utf-8")))
        except UnicodeDecodeError:
            continue
    assert texts
    return texts


def places(pattern: re.Pattern[str]) -> list[tuple[str, re.Match[str]]]:
    return [
        (f"{name}:{number}", match)
        for name, text in tracked_texts()
        if pattern.search(text)
        for number, line in enumerate(text.splitlines(), start=1)
        for match in pattern.finditer(line)
    ]


def test_no_file_names_an_outside_host():
    assert [(place, match[1]) for place, match in places(HOST) if match[1] not in KNOWN_HOSTS] == []


def test_no_file_holds_a_path_of_one_machine():
    assert [(place, match[0]) for place, match in places(MACHINE_PATH)] == []


def test_no_file_holds_an_e_mail_address():
    assert [(place, match[0]) for place, match in places(EMAIL)] == []


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        (HOST, "see https:" + "//registry.example/simple"),
        (MACHINE_PATH, "at /" + "home/someone/project"),
        (EMAIL, "write to someone" + "@" + "bank.example"),
    ],
)
def test_the_patterns_find_what_they_look_for(pattern: re.Pattern[str], text: str):
    assert pattern.search(text)


def test_links_between_pages_lead_to_files():
    pages = [(name, text) for name, text in tracked_texts() if name.endswith(".md")]
    broken = [
        (name, link)
        for name, text in pages
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text)
        if not ((ROOT / name).parent / link).exists()
    ]
    assert pages
    assert broken == []
