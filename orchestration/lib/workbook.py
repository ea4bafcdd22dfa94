"""Excel workbooks whose bytes depend on their content alone."""

from __future__ import annotations

import io
import re
import zipfile
from datetime import UTC, datetime
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openpyxl import Workbook


def workbook_bytes(book: Workbook, produced_at: datetime) -> bytes:
    """The file of a workbook, dated ``produced_at``. openpyxl stamps members and properties with the clock."""
    book.properties.created = book.properties.modified = produced_at.astimezone(UTC).replace(tzinfo=None)
    written = io.BytesIO()
    book.save(written)
    settled = io.BytesIO()
    stamp = book.properties.created.strftime("%Y-%m-%dT%H:%M:%SZ").encode("ascii")
    with (
        zipfile.ZipFile(written) as source,
        zipfile.ZipFile(settled, "w", zipfile.ZIP_DEFLATED) as target,
    ):
        for member in source.namelist():
            content = source.read(member)
            if member == "docProps/core.xml":
                content = _restamp(content, stamp)
            target.writestr(zipfile.ZipInfo(member, date_time=(1980, 1, 1, 0, 0, 0)), content)
    return settled.getvalue()


def _restamp(core_xml: bytes, stamp: bytes) -> bytes:
    return re.sub(rb"(<dcterms:(?:created|modified)[^>]*>)[^<]*", lambda m: m.group(1) + stamp, core_xml)
