"""A calibration as a new version of churn.yml: the file as it stands, the version in force ended, a new one added."""

from __future__ import annotations

import difflib
import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import yaml

from orchestration.lib.churn.calibrate import Calibration
from orchestration.lib.churn.history import CalibrationFailed
from orchestration.lib.planning import DAY, month_end
from orchestration.lib.policies.churn import INDICATOR_UNITS, LEVELS

FILE = "churn.yml"
# Nobody has approved it: the linter of the bank's own process, and its people, see that at once.
NOT_APPROVED = "not_approved_yet"


def proposed_text(path: Path, calibration: Calibration, as_of: date) -> str:
    """The policy file with a version from the month after ``as_of`` on, of which the bank's ranges are proposed.

    Words, comments and segments of the newest version are copied. Raises CalibrationFailed for a file of another form.
    """
    text = path.read_text("utf-8")
    lines = text.splitlines()
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    try:
        content = yaml.safe_load(text)["versions"][-1]
        (versions,) = [value for key, value in root.value if key.value == "versions"] if root else []
        newest = versions.value[-1]
        starts = {key.value: key.start_mark.line for key, _ in newest.value}
        first = newest.start_mark.line
        order = sorted(starts.values())
        after_bank = next((n for n in order if n > starts["bank"]), len(lines))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CalibrationFailed(f"{path}: expected versions with a `bank` block; mend the file first") from error
    effective_from = month_end(max(as_of, content["effective_from"])) + DAY
    if "effective_to" in content:
        raise CalibrationFailed(
            f"{path}: the newest version ends on {content['effective_to']}; expected one without an end"
        )
    # Comments above the next key are its own.
    end = after_bank
    while end > starts["bank"] + 1 and re.fullmatch(r"\s*(#.*)?", lines[end - 1]):
        end -= 1
    block = lines[first : starts["bank"]] + _bank_lines(calibration) + lines[end:]
    block = [_replaced(line, content, effective_from) for line in block]
    ended = lines[:]
    ended.insert(starts["effective_from"] + 1, f"    effective_to: {effective_from}")
    return "\n".join(ended + block) + "\n"


def _replaced(line: str, content: dict[str, object], effective_from: date) -> str:
    values = {
        "version": f'"{_next_version(str(content["version"]))}"',
        "effective_from": str(effective_from),
        "author": "churn_calibration",
        "approved_by": NOT_APPROVED,
    }
    match = re.fullmatch(r"( {2}- | {4})(version|effective_from|author|approved_by): .*", line)
    return f"{match[1]}{match[2]}: {values[match[2]]}" if match else line


def _next_version(version: str) -> str:
    return str(int(version) + 1) if version.isdigit() else f"{version}-calibrated"


def _bank_lines(calibration: Calibration) -> list[str]:
    levels = ", ".join(f"{level}: {calibration.levels[level]}" for level in LEVELS)
    lines = ["    bank:"]
    for level in LEVELS:
        warned, left = calibration.found[level]
        share = Decimal(100 * left) / max(1, warned)
        lines.append(
            f"      # {level}: {left} of {warned} warned had left ({share:.0f} %), of {calibration.leavers} who left"
        )
    lines += [f"      levels: {{{levels}}}", "      ranges:"]
    for code, ranges in calibration.ranges.items():
        lines.append(f"        {code}:")
        for each in ranges:
            value = _written(each.at_least, INDICATOR_UNITS[code])
            lines.append(f"          - {{at_least: {value}, level: {each.level}, points: {each.points}}}")
    return lines


def _written(value: Decimal, unit: str) -> str:
    if unit == "share":
        return f"{value * 100:.0f}%"
    return f"{value:.0f} days" if unit == "day" else f"{value:.0f}"


def policy_diff(path: Path, proposed: str) -> str:
    """Unified diff of a policy file to what is proposed."""
    old = path.read_text("utf-8").splitlines(keepends=True)
    name = f"policies/{path.name}"
    return "".join(difflib.unified_diff(old, proposed.splitlines(keepends=True), name, name))
