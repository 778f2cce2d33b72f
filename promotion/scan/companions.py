"""What may lie beside a model: MLflow's description, dependency lists, examples and plain text. Code in any form may not."""

from __future__ import annotations

import ast
import re
import warnings
from typing import Any

from promotion.scan import pickles
from promotion.scan.dependencies import points_elsewhere, require_environment, require_requirements
from promotion.scan.report import Data, Refused, require
from promotion.scan.strict import mappings, parse_json, parse_yaml, strings, text

TEXT_ENDINGS = (".txt", ".md", ".csv", ".rst")
PLAIN_NAMES = frozenset({"license", "licence", "readme", "notice", "authors", "citation", "changelog"})
HIDDEN_NAMES = frozenset({".gitignore", ".gitattributes", ".gitkeep"})
LARGEST_PYTHON = 1 << 20
# Keys by which some library builds objects or code from JSON or YAML.
OBJECT_KEYS = ("py/", "__reduce", "__class__", "__module__", "__loader__", "__main__", "_target_", "!!python", "__python__")
CODE_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x7fELF", "executable", "an ELF program"),
    (b"MZ", "executable", "a Windows program"),
    (b"#!", "script", "a script"),
    (b"\xfe\xed\xfa", "executable", "a Mach-O program"),
    (b"\xce\xfa\xed\xfe", "executable", "a Mach-O program"),
    (b"\xcf\xfa\xed\xfe", "executable", "a Mach-O program"),
    (b"\xca\xfe\xba\xbe", "executable", "a Java class or Mach-O program"),
    (b"\x00asm", "executable", "a WebAssembly program"),
    (b"!<arch>", "executable", "a library archive"),
    (b"\x89HDF", "format_refused", "HDF5, which Keras uses for code"),
    (b"\x93NUMPY", "format_refused", "a NumPy array, which may hold pickled objects"),
    (b"GGUF", "format_refused", "a GGUF model"),
    (b"\x1f\x8b", "archive", "a gzip archive"),
    (b"BZh", "archive", "a bzip2 archive"),
    (b"\xfd7zXZ", "archive", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "archive", "a zstd archive"),
    (b"\x04\x22\x4d\x18", "archive", "an lz4 archive"),
    (b"7z\xbc\xaf", "archive", "a 7z archive"),
    (b"Rar!", "archive", "a RAR archive"),
    *((bytes([0x78, second]), "archive", "compressed data") for second in (0x01, 0x5E, 0x9C, 0xDA)),
    *((bytes([0x80, protocol]), "pickle", "a pickle") for protocol in range(6)),
    (b"\x63\x00\x00\x00", "bytecode", "marshalled Python code"),
    (b"\xe3\x00\x00\x00", "bytecode", "marshalled Python code"),
)
CODE_NAMES = re.compile(
    r"\.(?:py|pyc|pyo|pyd|pyx|pyw|ipynb|pkl|pickle|p|joblib|jbl|dill|cloudpickle|pt|pth|ckpt|npy|npz|h5|hdf5|keras|so|dll|dylib|exe"
    r"|sh|bash|bat|cmd|ps1|js|jar|class|whl|egg|zip|tar|gz|tgz|bz2|xz|lz4|zst|7z|pth|lua|rb|pl|wasm|mar|toml|cfg|lock)$"
)


def require_no_code(name: str, data: Data) -> None:
    """Neither the name nor the first bytes say that this is code, an archive or a pickle. Raises Refused."""
    head = bytes(data[:4096])
    for magic, code, what in CODE_MAGIC:
        require(not head.startswith(magic), code, f"This is {what}.")
    require(b"\r\n\xe3" not in head[:40] and head[257:262] != b"ustar", "bytecode", "This is compiled code or an archive.")
    require(not pickles.begins(data), "pickle", "This is a pickle.")
    require(not CODE_NAMES.search(name.lower()), "name_refused", "Files of this name are code, archives or pickles.")


def require_companion(base: str, data: Data) -> None:
    """The file is one of the harmless companions of a model, by its content. Raises Refused."""
    require(not _pickle_like(data), "pickle", "This is a pickle.")
    if base == "mlmodel":
        _mlmodel(_checked(parse_yaml(data)))
    elif base == "registered_model_meta":
        _checked(parse_yaml(data))
    elif base.endswith((".yaml", ".yml")):
        value = _checked(parse_yaml(data))
        if base in ("conda.yaml", "python_env.yaml") or _environment_like(value):
            require_environment(value)
    elif base.endswith(".json"):
        require_plain_json(parse_json(data))
    elif base in HIDDEN_NAMES or base in PLAIN_NAMES or base.endswith(TEXT_ENDINGS):
        _plain(base, text(data))
    else:
        raise Refused("format_refused", "This is of no format that is accepted.")


def require_plain_json(value: Any) -> None:
    """The JSON holds data only: nothing that a library would build objects from."""
    _checked(value)
    for one in mappings(value):
        built = "class_name" in one and "config" in one
        require(not built, "format_refused", "The JSON describes objects to be built.")


def _pickle_like(data: Data) -> bool:
    return len(data) <= 64 << 20 and pickles.in_text(bytes(data))


def _checked(value: Any) -> Any:
    for one in mappings(value):
        bad = any(isinstance(key, str) and key.startswith(OBJECT_KEYS) for key in one)
        require(not bad, "format_refused", "The file describes objects to be built.")
    require(not pickles.in_strings(strings(value)), "pickle", "The file holds a pickle as text.")
    return value


def _environment_like(value: Any) -> bool:
    return isinstance(value, dict) and bool({"dependencies", "channels", "build_dependencies"} & set(value))


def _plain(base: str, content: str) -> None:
    if base.endswith(".txt") and ("requirements" in base or "constraints" in base):
        require_requirements(content)
        return
    if not base.endswith((".md", ".rst")):
        require(not points_elsewhere(content), "dependency_reference", "The text is a list of dependencies from elsewhere.")
        require(not _python(content), "script", "The text is a program.")
    require("<script" not in content.lower(), "script", "The text holds a script.")


def _python(content: str) -> bool:
    """The text parses as Python that imports, defines or calls something. Parsed, never compiled or run."""
    if len(content) > LARGEST_PYTHON:
        return False
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(content)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    telling = (ast.Import, ast.ImportFrom, ast.Call, ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef, ast.Lambda)
    return any(isinstance(node, telling) for node in ast.walk(tree))


def _mlmodel(value: Any) -> None:
    from promotion.scan.mlmodel import require_mlmodel

    require_mlmodel(value)
