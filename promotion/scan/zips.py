"""Zip archives: every byte belongs to a member or the directory, no member unpacks to a bomb or names a path outside."""

from __future__ import annotations

import io
import struct
import zipfile

from promotion.scan.report import Data, Refused, require

MOST_MEMBERS, MOST_BYTES, HIGHEST_RATIO, SMALL = 20_000, 2 * 1024**3, 200, 1_000_000
END, END_SIZE = b"PK\x05\x06", 22
MOST_COMMENT = 65_535


def members(data: Data) -> tuple[zipfile.ZipFile, list[str]]:
    """The archive and its members' names. Raises Refused."""
    whole = bytes(data)
    require(whole[-END_SIZE : -END_SIZE + 4] == END, "trailing_data", "Data stands before or after the archive.")
    try:
        archive = zipfile.ZipFile(io.BytesIO(whole))
    except (zipfile.BadZipFile, struct.error, ValueError, NotImplementedError) as error:
        raise Refused("archive", "This is no whole zip archive.") from error
    inside = archive.infolist()
    names = [member.filename for member in inside]
    small = len(inside) <= MOST_MEMBERS and sum(member.file_size for member in inside) <= MOST_BYTES
    require(small and len(set(names)) == len(names), "archive_bomb", "The archive has too many members or bytes, or one twice.")
    for member in inside:
        bomb = member.file_size > HIGHEST_RATIO * max(member.compress_size, 1) and member.file_size > SMALL
        require(not bomb, "archive_bomb", "A member of the archive unpacks to far more than it holds.")
        name = member.filename.replace("\\", "/")
        good = (
            name and not name.startswith("/") and ":" not in name and ".." not in name.split("/") and member.orig_filename == name
        )
        require(bool(good), "path_escape", "A member of the archive names a path outside it.")
        plain = not member.flag_bits & 1 and member.compress_type in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
        link = (member.external_attr >> 16) & 0o170000 not in (0, 0o100000)
        require(plain and not member.is_dir() and not link, "archive", "The archive holds something other than plain files.")
    _require_contiguous(whole, inside, archive.start_dir)
    return archive, names


def ends_with_zip(data: Data) -> bool:
    """The end of the file is that of a zip archive, whatever the file begins with."""
    tail = bytes(data[-(END_SIZE + MOST_COMMENT) :])
    at = tail.rfind(END)
    while at >= 0:
        if at + END_SIZE <= len(tail):
            size, offset, comment = struct.unpack_from("<IIH", tail, at + 12)
            if at + END_SIZE + comment <= len(tail) and size + offset <= len(data) - len(tail) + at:
                return True
        at = tail.rfind(END, 0, at)
    return False


def _require_contiguous(whole: bytes, inside: list[zipfile.ZipInfo], directory: int) -> None:
    at = 0
    for member in sorted(inside, key=lambda one: one.header_offset):
        require(
            member.header_offset == at and at + 30 <= len(whole), "trailing_data", "Data stands between the archive's members."
        )
        name, extra = struct.unpack_from("<HH", whole, at + 26)
        at += 30 + name + extra + member.compress_size
        if member.flag_bits & 8:
            at += 16 if whole[at : at + 4] == b"PK\x07\x08" else 12
    require(at == directory, "trailing_data", "Data stands between the archive's members.")
