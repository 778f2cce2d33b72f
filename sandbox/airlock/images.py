"""PNG and JPEG files: nothing but the picture. Camera data, comments and bytes after the end are found, never decoded."""

from __future__ import annotations

import struct

from sandbox.airlock.findings import Finding

# What a PNG needs to be shown (PNG specification, third edition, 11.2 and 11.3); other chunks can carry anything.
PNG_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"pHYs", b"bKGD", b"sBIT"}
# Matplotlib writes its own name and version into each picture; nothing else of a text chunk passes.
HARMLESS_TEXT = b"Software\x00Matplotlib version"
JPEG_CARRIERS = {*range(0xE1, 0xF0), 0xFE}  # APP1 to APP15 (Exif, XMP, IPTC), COM
JPEG_COLOUR = 0xE2, 0xEE  # ICC profile, Adobe


def png(name: str, content: bytes) -> list[Finding]:
    """Findings of a PNG file."""
    at = 8
    found: list[Finding] = []
    while at + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + length]
        at += 12 + length
        if kind not in PNG_CHUNKS and not (kind == b"tEXt" and body.startswith(HARMLESS_TEXT) and len(body) < 120):
            found.append(_carrier(name, f"chunk {kind.decode('ascii', 'replace')}"))
        if kind == b"IEND":
            return found + _after(name, content[at:])
    return [*found, Finding("image_damaged", "stop", name, "", "The picture does not end as a PNG file does.")]


def jpeg(name: str, content: bytes) -> list[Finding]:
    """Findings of a JPEG file (ITU-T T.81, annex B)."""
    at = 2
    found: list[Finding] = []
    while at + 4 <= len(content) and content[at] == 0xFF:
        marker, length = content[at + 1], struct.unpack(">H", content[at + 2 : at + 4])[0]
        if marker == 0xDA:
            end = content.rfind(b"\xff\xd9")
            if end < 0:
                break
            return found + _after(name, content[end + 2 :])
        if marker in JPEG_CARRIERS and marker not in JPEG_COLOUR:
            found.append(_carrier(name, f"segment {marker:02X}"))
        at += 2 + length
    return [*found, Finding("image_damaged", "stop", name, "", "The picture does not end as a JPEG file does.")]


def _carrier(name: str, where: str) -> Finding:
    sentence = "The picture carries more than the picture (camera data, place, comment or text); save it without metadata."
    return Finding("image_metadata", "stop", name, where, sentence)


def _after(name: str, rest: bytes) -> list[Finding]:
    if not rest:
        return []
    return [Finding("bytes_after_end", "stop", name, f"{len(rest)} bytes", "Bytes stand after the end of the picture.")]
