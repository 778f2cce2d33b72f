"""Pickles in disguise, found by reading opcodes. Nothing is ever unpickled."""

from __future__ import annotations

import base64
import binascii
import io
import pickletools
import re
import zlib
from collections.abc import Iterator

from promotion.scan.report import Data

# GLOBAL or INST: `cmodule\nname\n`, which calls for an import.
IMPORT = re.compile(rb"[ci]([A-Za-z_][\w.]{0,80})\n([A-Za-z_][\w.]{0,80})\n")
DANGEROUS = frozenset(
    b"os posix nt subprocess builtins __builtin__ sys commands importlib runpy shutil socket pty ctypes types functools operator"
    b" pickle marshal code pathlib tempfile webbrowser multiprocessing asyncio platform timeit cProfile pdb bdb numpy"
    b" torch".split()
)
# Whole numbers, which the unpickler in C takes in more forms than readers of opcodes.
WHOLE = re.compile(rb"[IL][^\n]{0,40}\n")
BASE64 = re.compile(rb"[A-Za-z0-9+/_-]{16,}={0,2}")
HEX = re.compile(rb"(?:[0-9a-fA-F]{2}){16,}")
ESCAPED = re.compile(rb"(?:\\x[0-9a-fA-F]{2}){2,}")
MOST_DECODED = 1 << 20
MOST_STARTS, MOST_OPCODES = 40, 200_000
COMPRESSED = (b"\x78\x01", b"\x78\x5e", b"\x78\x9c", b"\x78\xda", b"\x1f\x8b")
ARCHIVES = (b"PK\x03\x04", b"\x7fELF", b"BZh", b"\xfd7zXZ")


def begins(data: Data) -> bool:
    """A whole pickle, from its first opcode to STOP, stands at the start of `data`."""
    if not data or data[:1] not in OPCODES:
        return False
    if isinstance(data, bytes):
        return _whole(io.BytesIO(data))
    data.seek(0)
    return _whole(data)


def in_text(text: bytes) -> bool:
    """A pickle stands anywhere in a text: as it is, or as base64, hexadecimal or escapes, compressed or not."""
    if begins(text.lstrip(b"\xef\xbb\xbf \t\r\n")) or _imports(text) or _imports(WHOLE.sub(b"I1\n", text)):
        return True
    unwrapped = re.sub(rb"[ \t]*\r?\n[ \t]*", b"", text)
    return any(any(_hidden(decoded) for decoded in _decoded(one)) for one in {text, unwrapped})


def in_strings(strings: Iterator[str]) -> bool:
    """One of the strings is, or encodes, a pickle."""
    for string in strings:
        if string[:1] == "\x80":
            try:
                if _hidden(string.encode("latin-1")):
                    return True
            except UnicodeEncodeError:
                continue
        if len(string) > 8 and in_text(string.encode("utf-8", "surrogatepass")):
            return True
    return False


def _imports(text: bytes) -> bool:
    for match in IMPORT.finditer(text):
        alone = not text[max(match.start() - 1, 0) : match.start()].isalpha()
        if alone and match[1].split(b".")[0] in DANGEROUS and text[match.end() : match.end() + 1] in OPCODES:
            return True
        before = [at for at in range(max(0, match.start() - 2_000), match.start()) if text[at : at + 1] == b"("]
        for start in (match.start(), *before[-MOST_STARTS:]):
            if _whole(io.BytesIO(text[start : start + MOST_DECODED])):
                return True
    return False


def _decoded(text: bytes) -> Iterator[bytes]:
    for match in BASE64.finditer(text):
        run = match[0][:MOST_DECODED].replace(b"-", b"+").replace(b"_", b"/").rstrip(b"=")
        try:
            yield base64.b64decode(run[: len(run) // 4 * 4])
        except (ValueError, binascii.Error):
            continue
    for match in HEX.finditer(text):
        yield bytes.fromhex(match[0][:MOST_DECODED].decode())
    for match in ESCAPED.finditer(text):
        yield bytes.fromhex(match[0][:MOST_DECODED].replace(b"\\x", b"").decode())


def _hidden(data: bytes) -> bool:
    if data.startswith(ARCHIVES):
        return True
    if data.startswith(COMPRESSED):
        try:
            data = zlib.decompressobj(47).decompress(data, MOST_DECODED)  # 47: zlib or gzip by its header
        except zlib.error:
            return False
    protocol = len(data) > 2 and data[0] == 0x80 and data[1] <= 5
    return (protocol and (data[2:3] in OPCODES)) or _imports(data) or (data[:1] in b"(c]}" and begins(data))


def _whole(stream: object) -> bool:
    """The stream's opcodes reach STOP without taking from an empty stack."""
    stack: list[bool] = []  # True for a mark
    try:
        for number, (code, _, _) in enumerate(pickletools.genops(stream)):  # type: ignore[arg-type]
            if not _take(stack, code):
                return False
            if code.name == "STOP" or number > MOST_OPCODES:
                return number > 0  # so many that fit each other are no accident
            stack.extend(kind is pickletools.markobject for kind in code.stack_after)
    except Exception:
        # Whatever stops the reader of opcodes stops the unpickler, or is caught as an import.
        return False
    return False


def _take(stack: list[bool], code: pickletools.OpcodeInfo) -> bool:
    wanted = code.stack_before
    if pickletools.markobject in wanted:
        if True not in stack:
            return False
        while not stack.pop():
            pass
        wanted = wanted[: wanted.index(pickletools.markobject)]
    if code.name == "POP" and stack:
        stack.pop()
        return True
    if len(wanted) > len(stack):
        return False
    del stack[len(stack) - len(wanted) :]
    return True


OPCODES = frozenset(op.code.encode("latin-1") for op in pickletools.opcodes)
