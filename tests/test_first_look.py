"""The first look at the marts that the README shows."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

from tests.conftest import BuiltHome

ROOT = Path(__file__).parents[1]


def test_the_queries_of_the_readme_run_on_a_published_bank(built_home: BuiltHome, tmp_path: Path):
    (look,) = re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    (tmp_path / "var").symlink_to(built_home.home.root)
    done = subprocess.run(
        [sys.executable, "-c", look], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    for found in ("wealth_manager", "indicative_tier_code", "quarantined_rows"):
        assert found in done.stdout
