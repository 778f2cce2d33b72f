"""What may lie beside a model: MLflow's description, dependency lists, and plain text. Code in any form may not."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import yaml

Problem = tuple[str, str] | None

LARGEST_TEXT = 64 << 20
TEXT_ENDINGS = (".txt", ".md", ".json", ".csv", ".yaml", ".yml")
LOADERS = ("mlflow.onnx", "mlflow.sklearn", "mlflow.xgboost", "mlflow.lightgbm", "mlflow.catboost")
CODE_MAGIC: tuple[tuple[bytes, str, str], ...] = (
    (b"\x7fELF", "executable", "an ELF program"),
    (b"MZ", "executable", "a Windows program"),
    (b"#!", "script", "a script"),
    (b"\xfe\xed\xfa", "executable", "a Mach-O program"),
    (b"\xcf\xfa\xed\xfe", "executable", "a Mach-O program"),
    (b"\xca\xfe\xba\xbe", "executable", "a Java class or Mach-O program"),
    (b"\x89HDF", "format_refused", "HDF5, which Keras uses for code"),
    (b"\x93NUMPY", "format_refused", "a NumPy array, which may hold pickled objects"),
    (b"\x1f\x8b", "archive", "a gzip archive"),
    (b"BZh", "archive", "a bzip2 archive"),
    (b"\xfd7zXZ", "archive", "an xz archive"),
    (b"\x28\xb5\x2f\xfd", "archive", "a zstd archive"),
    (b"7z\xbc\xaf", "archive", "a 7z archive"),
    (b"Rar!", "archive", "a RAR archive"),
    (b"\x80\x02", "pickle", "a pickle"), (b"\x80\x03", "pickle", "a pickle"), (b"\x80\x04", "pickle", "a pickle"),
    (b"\x80\x05", "pickle", "a pickle"), (b"\x80\x01", "pickle", "a pickle"),
    (b"\x63\x00\x00\x00", "bytecode", "marshalled Python code"), (b"\xe3\x00\x00\x00", "bytecode", "marshalled Python code"),
)  # fmt: skip
PYC = re.compile(rb"..\r\n", re.DOTALL)
# A pickle of protocol 0 or 1 that calls something: GLOBAL or INST, `module name` on two lines.
TEXT_PICKLE = re.compile(rb"(?:^|[^A-Za-z0-9_])[ci][A-Za-z_][\w.]{0,60}\n[A-Za-z_][\w.]{0,60}\n")
REFERENCE = re.compile(
    r"(?:^|\s)(?:-[a-z]\b|--|git\+|hg\+|svn\+|bzr\+|https?:|ftp:|file:|ssh:|\.{0,2}/)|@\s*\S+:|[;&|`$<>]{2}|\\$"
)
REQUIREMENT = re.compile(
    r"[A-Za-z0-9][\w.-]*(?:\[[\w, .-]+\])?\s*"
    r"(?:(?:[=<>!~]=?=?|===)\s*[\w.*+!-]+(?:\s*,\s*[=<>!~]=?=?\s*[\w.*+!-]+)*)?\s*(?:;[^#]*)?"
)


def code_inside(head: bytes) -> Problem:
    """Why the first bytes of a file are refused, whatever its name."""
    for magic, code, what in CODE_MAGIC:
        if head.startswith(magic):
            return code, f"This is {what}."
    if PYC.match(head[:4]) and b"\xe3\x00\x00\x00" in head[:32]:
        return "bytecode", "This is compiled Python code."
    if TEXT_PICKLE.search(head[:4096]) and head.lstrip()[:1] not in (b"{", b"["):
        return "pickle", "This is a pickle."
    return None


def problem(base: str, file: Path) -> Problem:
    """Why a file that is no model is refused; None for the companions that are plain text."""
    if base == "mlmodel":
        return _mlmodel(_yaml(file))
    if base == "requirements.txt":
        return _requirements(_text(file))
    if base in ("conda.yaml", "python_env.yaml"):
        return _environment(_yaml(file))
    if base.endswith(TEXT_ENDINGS) or base in ("license", "readme", "notice"):
        return _plain(base, file)
    if base.endswith(".png"):
        return None if file.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n" else ("format_refused", "This is no PNG picture.")
    return "format_refused", "This is of no format that is accepted."


def _mlmodel(value: Any) -> Problem:
    if not isinstance(value, dict) or not isinstance(value.get("flavors"), dict):
        return "mlmodel_refused", "The MLmodel file names no flavors."
    for name, flavor in value["flavors"].items():
        if not isinstance(flavor, dict):
            return "mlmodel_refused", "A flavor of the MLmodel file is no mapping."
        if name == "python_function" and flavor.get("loader_module") not in LOADERS:
            return "loader_module", "The MLmodel file names a loader module that is not on the list."
        if flavor.get("code") or flavor.get("code_path"):
            return "code_folder", "The MLmodel file brings code of its own."
        if any(
            ".." in str(flavor.get(key, "")) or str(flavor.get(key, "")).startswith("/")
            for key in ("data", "model_path", "pickled_model", "model_code_path")
        ):
            return "path_escape", "The MLmodel file names a path outside the model."
        if flavor.get("serialization_format") in ("pickle", "cloudpickle", "joblib") or flavor.get("model_code_path"):
            return "pickle", "The MLmodel file says the model is a pickle or code."
    if value.get("model_code_path"):
        return "code_folder", "The MLmodel file brings code of its own."
    return None


def _requirements(text: str) -> Problem:
    for line in text.splitlines():
        bare = line.split(" #")[0].strip()
        if not bare or bare.startswith("#"):
            continue
        if REFERENCE.search(bare) or not REQUIREMENT.fullmatch(bare):
            return "dependency_reference", "A dependency points outside the package index."
    return None


def _environment(value: Any) -> Problem:
    if not isinstance(value, dict):
        return "dependency_reference", "The environment file is no mapping."
    channels = value.get("channels", [])
    if any("/" in str(channel) or ":" in str(channel) for channel in channels if isinstance(channels, list)):
        return "dependency_reference", "The environment file names a channel by address."
    for item in [*value.get("dependencies", []), *value.get("build_dependencies", [])]:
        lines = item.get("pip", []) if isinstance(item, dict) else [item]
        for line in lines:
            if line == "-r requirements.txt":
                continue
            if found := _requirements(str(line)):
                return found
    return None


def _plain(base: str, file: Path) -> Problem:
    text = _text(file)
    if any(ord(character) < 32 and character not in "\t\r\n\f" for character in text[:1_000_000]):
        return "format_refused", "This is no plain text."
    if base.endswith(".json"):
        json.loads(text)
    if base.endswith((".yaml", ".yml")):
        yaml.safe_load(text)
    return None


def _yaml(file: Path) -> Any:
    return yaml.safe_load(_text(file))


def _text(file: Path) -> str:
    if file.stat().st_size > LARGEST_TEXT:
        raise ValueError("too large")
    return file.read_bytes().decode("utf-8")
