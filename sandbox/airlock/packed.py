"""The zip that a spreadsheet is: its parts, when nothing but its parts stands in it."""

from __future__ import annotations

import io
import struct
import zipfile

MOST_PARTS = 2_000
MOST_UNPACKED = 200 << 20
# Bytes that APPNOTE gives (4.3.7, 4.3.9, 4.3.12, 4.3.14 to 4.3.16): a part's head, what may follow its bytes, its line in the
# list of parts, the end, and the end's longer form.
HEAD, DESCRIPTOR, LISTED, END, LONG_END = 30, 24, 46, 22, 76
MOST_EXTRA = 64  # times and long sizes
GROWTH = b"\x20\xa2"  # Excel keeps room for later parts (ECMA-376, part 2, annex C)
UTF8 = 0x800


def parts(content: bytes) -> dict[str, bytes]:
    """Name -> bytes. Raises ValueError, or BadZipFile, where there is more than its parts, or too much."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        listed = archive.infolist()
        if len(listed) > MOST_PARTS or sum(part.file_size for part in listed) > MOST_UNPACKED:
            raise ValueError("too large")
        if len({part.filename for part in listed}) < len(listed) or not _nothing_between(content, archive, listed):
            raise ValueError("bytes that belong to no part")
        unpacked = {}
        for part in listed:
            with archive.open(part) as opened:
                unpacked[part.filename] = opened.read(MOST_UNPACKED + 1)
        return unpacked


def _nothing_between(content: bytes, archive: zipfile.ZipFile, listed: list[zipfile.ZipInfo]) -> bool:
    """The parts follow each other from the first byte on, then the list of them, then the end."""
    at, allowed = 0, 0
    for part in sorted(listed, key=lambda one: one.header_offset):
        if not 0 <= part.header_offset - at <= allowed:
            return False
        name, extra = struct.unpack("<HH", content[part.header_offset + HEAD - 4 : part.header_offset + HEAD])
        named = part.header_offset + HEAD + name
        if part.comment or not (_harmless(part.extra) and _harmless(content[named : named + extra])):
            return False
        at, allowed = named + extra + part.compress_size, DESCRIPTOR if part.flag_bits & 8 else 0
    lines = sum(LISTED + len(_name(part)) + len(part.extra) for part in listed)
    rest = len(content) - archive.start_dir - lines - END
    return not archive.comment and 0 <= archive.start_dir - at <= allowed and rest in (0, LONG_END)


def _harmless(extra: bytes) -> bool:
    """Short, or room that is empty."""
    return len(extra) <= MOST_EXTRA or (extra.startswith(GROWTH) and not any(extra[8:]))


def _name(part: zipfile.ZipInfo) -> bytes:
    return part.orig_filename.encode("utf-8" if part.flag_bits & UTF8 else "cp437")
