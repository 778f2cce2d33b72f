"""PNG and JPEG files: nothing but the picture. Camera data, comments and bytes that no picture needs are found; none is shown."""

from __future__ import annotations

import struct
import zlib

from sandbox.airlock.findings import Finding

# What a PNG needs to be shown, and how many bytes of it there may be (PNG specification, third edition, 11.2 and 11.3); other
# chunks can carry anything.
PNG_CHUNKS = {
    b"IHDR": 13, b"PLTE": 768, b"IDAT": 1 << 31, b"IEND": 0, b"tRNS": 256, b"gAMA": 4, b"cHRM": 32, b"sRGB": 1, b"pHYs": 9,
    b"bKGD": 6, b"sBIT": 4,
}  # fmt: skip
# Matplotlib writes its own name and version into each picture; nothing else of a text chunk passes.
HARMLESS_TEXT = b"Software\x00Matplotlib version"
CHANNELS = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}  # by colour type (11.2.1)
# Start and step of the seven passes of an interlaced picture (8.1): x, y, x step, y step.
PASSES = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
MOST_PIXEL_BYTES = 400 << 20
# ITU-T T.81, annex B. Of the segments for applications only a JFIF header without a small picture, and Adobe's, are needed.
JPEG_BARE = {0x01, *range(0xD0, 0xD9)}  # no length follows
JPEG_NEEDED = {*range(0xC0, 0xD0), 0xDA, 0xDB, 0xDC, 0xDD} - {0xC8}  # frames, tables, scans, lines, restarts
JFIF_BYTES, ADOBE_BYTES = 16, 14
START_OF_SCAN, END = 0xDA, 0xD9


def png(name: str, content: bytes) -> list[Finding]:
    """Findings of a PNG file."""
    at = 8
    found: list[Finding] = []
    head, pixels = b"", []
    while at + 12 <= len(content):
        length, kind = struct.unpack(">I4s", content[at : at + 8])
        body = content[at + 8 : at + 8 + length]
        at += 12 + length
        harmless = kind == b"tEXt" and body.startswith(HARMLESS_TEXT) and len(body) < 120
        if length > PNG_CHUNKS.get(kind, -1) and not harmless:
            found.append(_carrier(name, f"chunk {kind.decode('ascii', 'replace')}"))
        if kind == b"IHDR":
            head = head or body
        elif kind == b"IDAT":
            pixels.append(body)
        elif kind == b"IEND":
            return found + _after(name, content[at:]) + _pixels(name, head, b"".join(pixels))
    return [*found, _damaged(name)]


def _pixels(name: str, head: bytes, packed: bytes) -> list[Finding]:
    """The picture's bytes are as many as its size needs, and none stand behind them."""
    try:
        width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", head)
        needed = _raw_bytes(width, height, depth * CHANNELS[colour], bool(interlaced))
        if needed > MOST_PIXEL_BYTES:
            return [_damaged(name)]
        unpacking = zlib.decompressobj()
        there = len(unpacking.decompress(packed, needed + 1))
    except (struct.error, KeyError, zlib.error):
        return [_damaged(name)]
    if there < needed:
        return [_damaged(name)]
    return _after(name, unpacking.unused_data + unpacking.unconsumed_tail + b"x" * (there - needed))


def _raw_bytes(width: int, height: int, bits: int, interlaced: bool) -> int:
    """How many bytes the unpacked picture has: each line one more, for its filter."""
    total = 0
    for x, y, step_x, step_y in PASSES if interlaced else ((0, 0, 1, 1),):
        across, down = -(-(width - x) // step_x), -(-(height - y) // step_y)
        if across > 0 and down > 0:
            total += down * (1 + (across * bits + 7) // 8)
    return total


def jpeg(name: str, content: bytes) -> list[Finding]:
    """Findings of a JPEG file (ITU-T T.81, annex B)."""
    at = 2
    found: list[Finding] = []
    while at + 2 <= len(content) and content[at] == 0xFF:
        marker = content[at + 1]
        if marker == END:
            return found + _after(name, content[at + 2 :])
        if marker in JPEG_BARE or at + 4 > len(content):
            break  # these stand in the coded data only
        length = struct.unpack(">H", content[at + 2 : at + 4])[0]
        if not _needed(marker, content[at + 4 : at + 2 + length]):
            found.append(_carrier(name, f"segment {marker:02X}"))
        at += 2 + length
        if marker == START_OF_SCAN:
            at = _coded_until(content, at)
    return [*found, _damaged(name)]


def _needed(marker: int, body: bytes) -> bool:
    """A segment that says how to show the picture; of those for applications, one that has no room for more."""
    if marker in JPEG_NEEDED:
        return True
    if marker == 0xE0:
        return body.startswith(b"JFIF\x00") and len(body) + 2 <= JFIF_BYTES and not any(body[12:14])
    return marker == 0xEE and body.startswith(b"Adobe") and len(body) + 2 <= ADOBE_BYTES


def _coded_until(content: bytes, at: int) -> int:
    """Where the coded data that begins at `at` ends: at a marker that is no stuffed byte and no restart (B.1.1.5)."""
    while (at := content.find(b"\xff", at)) >= 0 and at + 1 < len(content):
        after = content[at + 1]
        if after == 0xFF:
            at += 1
        elif after == 0 or 0xD0 <= after <= 0xD7:
            at += 2
        else:
            return at
    return len(content)


def _damaged(name: str) -> Finding:
    sentence = "The picture is not whole, or not built as its kind is, so it cannot be checked."
    return Finding("image_damaged", "stop", name, "", sentence)


def _carrier(name: str, where: str) -> Finding:
    sentence = "The picture carries more than the picture (camera data, place, comment or text); save it without metadata."
    return Finding("image_metadata", "stop", name, where, sentence)


def _after(name: str, rest: bytes) -> list[Finding]:
    if not rest:
        return []
    return [Finding("bytes_after_end", "stop", name, f"{len(rest)} bytes", "Bytes stand after the end of the picture.")]
