"""Which kinds of files may leave, and which may come in: short lists, told by name and content together."""

from __future__ import annotations

from pathlib import PurePosixPath

MOST_BYTES = 50 << 20
KINDS = {
    ".csv": "table", ".tsv": "table", ".txt": "text", ".md": "text", ".json": "json", ".ipynb": "notebook",
    ".png": "png", ".jpg": "jpeg", ".jpeg": "jpeg", ".xlsx": "office", ".ods": "office",
}  # fmt: skip
MAGIC = {"png": (b"\x89PNG\r\n\x1a\n",), "jpeg": (b"\xff\xd8\xff",), "office": (b"PK\x03\x04",)}
TEXTS = ("table", "text", "json", "notebook")
# What may come in: no office files (a table comes as CSV), but source text and packages.
INCOMING = {suffix: kind for suffix, kind in KINDS.items() if kind != "office"} | dict.fromkeys(
    (".py", ".sql", ".yaml", ".toml"), "text"
)


def kind_of(name: str, content: bytes) -> str | None:
    """The kind of the file, or None when no file of its kind may leave, or it is not what its name says."""
    kind = KINDS.get(PurePosixPath(name).suffix.lower())
    if kind is None or len(content) > MOST_BYTES:
        return None
    if kind in TEXTS:
        return kind if _is_text(content) else None
    return kind if content.startswith(MAGIC[kind]) else None


def incoming_kind(name: str, content: bytes) -> str | None:
    """The kind of a file that is to come in, or None when no file of its kind may, or it is not what its name says."""
    suffix = PurePosixPath(name).suffix.lower()
    if suffix == ".whl":
        return "wheel" if content.startswith(MAGIC["office"]) else None
    kind = INCOMING.get(suffix)
    if kind is None or len(content) > MOST_BYTES:
        return None
    if kind in TEXTS:
        return kind if _is_text(content) else None
    return kind if content.startswith(MAGIC[kind]) else None


def _is_text(content: bytes) -> bool:
    if b"\x00" in content:
        return False
    try:
        content.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
