"""Deliveries and their manifests: where they lie, what they say, whether the files are there."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from orchestration.lib.contracts import Feed, batch_id
from orchestration.lib.delivery import MANIFEST
from orchestration.lib.files import file_sha256
from orchestration.lib.findings import Finding, shown

FILE_KINDS = (".csv", ".csv.gz", ".parquet", ".xlsx")
_SEQUENCE = re.compile(r"[1-9][0-9]{0,8}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")

Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
DecimalText = Annotated[str, Field(pattern=r"^[+-]?[0-9]+(\.[0-9]+)?$")]
IsoDate = Annotated[str, Field(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}$")]


class ManifestFile(BaseModel):
    """One data file of a delivery."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    name: str
    row_count: Annotated[int, Field(ge=0)]
    sha256: Sha256


class Manifest(BaseModel):
    """`_manifest.json` of the landing contract."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)

    system: str
    entity: str
    business_date: IsoDate
    sequence_no: Annotated[int, Field(ge=1)]
    mode: str
    schema_version: Annotated[str, Field(pattern=r"^[0-9]+(\.[0-9]+){0,2}$")]
    row_count: Annotated[int, Field(ge=0)]
    files: list[ManifestFile]
    control_totals: dict[str, dict[str, DecimalText]] = {}
    key_hash: Annotated[str, Field(pattern=r"^[0-9a-f]{1,16}$")] | None = None
    produced_at: Annotated[AwareDatetime, Field(strict=False)]

    @property
    def content_hash(self) -> str:
        """Hash of what was delivered: mode and files, whatever their names and order."""
        digests = sorted(file.sha256 for file in self.files)
        return hashlib.sha256("\n".join([self.mode, *digests]).encode()).hexdigest()


@dataclass(frozen=True)
class Delivery:
    """A folder with a manifest, known by its path alone.

    ``date_text`` and ``sequence_text`` are the folder names ('' for a delivery that lies directly
    in its date folder); ``business_date`` is None when the folder's name is no date.
    """

    root: Path
    folder: Path
    system: str
    entity: str
    date_text: str
    sequence_text: str

    @property
    def feed_id(self) -> str:
        return f"{self.system}.{self.entity}"

    @property
    def business_date(self) -> date | None:
        return parse_date(self.date_text)

    @property
    def sequence_no(self) -> int | None:
        if not self.sequence_text:
            return 1
        return int(self.sequence_text) if _SEQUENCE.fullmatch(self.sequence_text) else None

    @property
    def batch_id(self) -> str:
        return batch_id(self.feed_id, self.date_text, self.sequence_no or 0)

    @property
    def label(self) -> str:
        """The folder relative to the landing root."""
        parts = (self.system, self.entity, self.date_text, self.sequence_text)
        return "/".join(part for part in parts if part)

    def file_label(self, name: str = MANIFEST) -> str:
        return f"{self.label}/{name}"

    def manifest_bytes(self) -> bytes | None:
        """The manifest as it lies there; None when the source just took it away to write anew."""
        try:
            return (self.folder / MANIFEST).read_bytes()
        except FileNotFoundError:
            return None

    def fingerprint(self, manifest_sha256: str, feed: Feed | None) -> str:
        """Changes when the manifest, a file in the folder or the feed's contract changes."""
        seen = [manifest_sha256, repr(feed)]
        try:
            with os.scandir(self.folder) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    if not entry.is_dir(follow_symlinks=False):
                        stat = entry.stat(follow_symlinks=False)
                        seen.append(f"{entry.name}/{stat.st_size}/{stat.st_mtime_ns}")
        except FileNotFoundError:
            seen.append("vanishing")
        return hashlib.sha256("\n".join(seen).encode()).hexdigest()


def parse_date(text: str) -> date | None:
    """The date that ``text`` (strictly YYYY-MM-DD) names, or None."""
    try:
        return date.fromisoformat(text) if _DATE.fullmatch(text) else None
    except ValueError:
        return None


@dataclass(frozen=True)
class Found:
    """Result of a walk: deliveries, and date or sequence folders without a manifest yet."""

    deliveries: list[Delivery]
    waiting: list[str]


def discover(root: Path, under: tuple[str, ...] = ()) -> Found:
    """Walk ``root``/<system>/<entity>/<date>/[<sequence>], only below the names in ``under``."""
    deliveries: list[Delivery] = []
    waiting: list[str] = []

    def names(folder: Path, depth: int) -> Iterator[str]:
        if depth < len(under):
            if (folder / under[depth]).is_dir():
                yield under[depth]
            return
        try:
            with os.scandir(folder) as entries:
                yield from sorted(e.name for e in entries if e.is_dir() and e.name[0] != ".")
        except NotADirectoryError:
            return

    for system in names(root, 0):
        for entity in names(root / system, 1):
            for day in names(root / system / entity, 2):
                folder = root / system / entity / day
                here = Delivery(root, folder, system, entity, day, "")
                below = [Delivery(root, folder / name, system, entity, day, name) for name in names(folder, 3)]
                candidates = ([] if len(under) > 3 else [here]) + below
                complete = [d for d in candidates if (d.folder / MANIFEST).exists()]
                deliveries += complete
                waiting += [
                    d.label
                    for d in candidates
                    if d not in complete and not (d is here and below and not _has_files(d.folder))
                ]
    return Found(deliveries, waiting)


def _has_files(folder: Path) -> bool:
    return any(path.is_file() for path in folder.iterdir())


def parse_manifest(delivery: Delivery, data: bytes) -> tuple[Manifest | None, list[Finding]]:
    """The manifest, or the findings that say which of its fields are wrong."""
    where = delivery.file_label()
    try:
        document = json.loads(data.decode("utf-8-sig"))
    except ValueError as error:
        return None, [
            Finding(
                "the manifest is not JSON in utf-8",
                where,
                "one JSON object",
                str(error),
                "Write the manifest again, under another name, and rename it last.",
            )
        ]
    try:
        return Manifest.model_validate(document), []
    except ValidationError as error:
        return None, [
            Finding(
                "the manifest does not keep to its form",
                f"{where}, field {'.'.join(str(part) for part in item['loc']) or '(whole)'}",
                item["msg"],
                shown(item["input"]),
                "Correct the field as the landing contract says.",
            )
            for item in error.errors()[:10]
        ]


def check_manifest(delivery: Delivery, manifest: Manifest, feed: Feed) -> list[Finding]:
    """Path, mode, version, counts and file list of a manifest against its path and contract."""
    where = delivery.file_label()
    findings = []
    for field, in_path, said in (
        ("system", delivery.system, manifest.system),
        ("entity", delivery.entity, manifest.entity),
        ("business_date", delivery.date_text, manifest.business_date),
        ("sequence_no", delivery.sequence_no, manifest.sequence_no),
    ):
        if in_path != said:
            findings.append(
                Finding(
                    f"{field} does not agree with the path",
                    f"{where}, field {field}",
                    shown(in_path),
                    shown(said),
                    "Correct the field, or deliver into the folder that it names.",
                )
            )
    if manifest.mode not in feed.modes:
        findings.append(
            Finding(
                "the contract does not allow this mode",
                f"{where}, field mode",
                " or ".join(feed.modes),
                shown(manifest.mode),
                "Deliver in a mode of the contract.",
            )
        )
    if manifest.schema_version.split(".")[0] != feed.version.split(".")[0]:
        findings.append(
            Finding(
                "written for another major version of the contract",
                f"{where}, field schema_version",
                f"{feed.version.split('.')[0]}.x",
                shown(manifest.schema_version),
                "Write the extract for the contract's version.",
            )
        )
    in_files = sum(file.row_count for file in manifest.files)
    if in_files != manifest.row_count:
        findings.append(
            Finding(
                "row_count is not the sum of the files' row counts",
                f"{where}, field row_count",
                f"{in_files} (sum over files)",
                str(manifest.row_count),
                "Count again and write the manifest last.",
            )
        )
    if not manifest.files and manifest.row_count:
        findings.append(
            Finding(
                "no data file listed",
                f"{where}, field files",
                "at least one file, or row_count 0",
                "an empty list",
                "List every data file.",
            )
        )
    return findings + _check_files(delivery, manifest)


def _check_files(delivery: Delivery, manifest: Manifest) -> list[Finding]:
    findings: list[Finding] = []
    seen: set[str] = set()
    home = delivery.folder.resolve()
    if not home.is_relative_to(delivery.root.resolve()):
        findings.append(
            Finding(
                "the delivery folder leads out of the landing root",
                delivery.label,
                "a folder below the landing root",
                "a link to somewhere else",
                "Deliver the files themselves, not a link.",
            )
        )
        return findings
    for file in manifest.files:
        where = delivery.file_label()
        if file.name in seen:
            findings.append(
                Finding(
                    "a file is listed twice",
                    f"{where}, field files",
                    "each file once",
                    shown(file.name),
                    "List every data file once.",
                )
            )
            continue
        seen.add(file.name)
        path = delivery.folder / file.name
        outside = Path(file.name).name != file.name or path.resolve().parent != home
        if outside or "\\" in file.name:
            findings.append(
                Finding(
                    "a file name leads out of the delivery folder",
                    f"{where}, field files",
                    "a plain file name in this folder",
                    shown(file.name),
                    "Put the file itself beside the manifest.",
                )
            )
        elif not file.name.endswith(FILE_KINDS):
            findings.append(
                Finding(
                    "unknown kind of file",
                    f"{where}, field files",
                    ", ".join(FILE_KINDS),
                    shown(file.name),
                    "Deliver a kind of file that the landing contract knows.",
                )
            )
        elif not path.is_file():
            findings.append(
                Finding(
                    "a listed file is missing",
                    delivery.file_label(file.name),
                    "the file beside the manifest",
                    "no such file",
                    "Deliver the file, then write the manifest again.",
                )
            )
        else:
            digest = _sha256(path)
            if digest != file.sha256:
                findings.append(
                    Finding(
                        "the file is not the one that the manifest describes (sha256)",
                        delivery.file_label(file.name),
                        file.sha256,
                        digest,
                        "Transfer the file again; write the manifest after it.",
                    )
                )
    return findings


def _sha256(path: Path) -> str:
    """Hex digest of a file, or what to say of one that vanished meanwhile."""
    try:
        return file_sha256(path)
    except FileNotFoundError:
        return "nothing: the file was taken away"
