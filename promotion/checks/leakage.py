"""Leakage: no personal data and no secret in any text of the model, including the strings inside its graph."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

from promotion.checks.context import CheckContext, CheckResult, result

# What the text scan may say of a model's own vocabulary; identifiers proper stay findings.
TELLING = {"SSN", "PHONE", "EMAIL", "ACCOUNT", "VEHICLE", "NAME"}
MOST_CHARACTERS = 2_000_000
STRING = re.compile(rb"[\x20-\x7e\xc3-\xf4\x80-\xbf]{4,}")
TEXT_ENDINGS = (".txt", ".md", ".json", ".csv", ".yaml", ".yml")


def run(context: CheckContext) -> CheckResult:
    """Passes when no text of the model holds an identifier or a secret. Kinds and counts only are reported."""
    problems, looked = [], 0
    for file in sorted(path for path in context.folder.rglob("*") if path.is_file()):
        name = file.relative_to(context.folder).as_posix()
        text = "\n".join(_texts(file))[:MOST_CHARACTERS]
        looked += 1
        for kind in sorted(_personal(context, file, text)):
            problems.append(f"{name} holds personal data ({kind}).")
        for kind in sorted(_secrets(text)):
            problems.append(f"{name} holds a secret ({kind}).")
    return result(context, "leakage", problems, f"No personal data or secret in {looked} files.", {"files": looked})


def _texts(file: Path) -> Iterator[str]:
    """The lines of a text file, or the strings of a model: its metadata, documentation and vocabulary."""
    if file.suffix == ".onnx":
        yield from _onnx_strings(file)
    elif file.suffix in TEXT_ENDINGS or file.name == "MLmodel":
        yield from file.read_text("utf-8", "replace").splitlines()
    else:
        yield from (match.decode("utf-8", "replace") for match in STRING.findall(file.read_bytes()))


def _onnx_strings(file: Path) -> Iterator[str]:
    import onnx

    model = onnx.load(str(file), load_external_data=False)
    yield from (item.value for item in model.metadata_props)
    yield from (model.doc_string, model.graph.doc_string, model.producer_name)
    for node in model.graph.node:
        for attribute in node.attribute:
            yield from (value.decode("utf-8", "replace") for value in (*attribute.strings, attribute.s) if value)
    for tensor in model.graph.initializer:
        yield from (value.decode("utf-8", "replace") for value in tensor.string_data)


def _personal(context: CheckContext, file: Path, text: str) -> set[str]:
    # Names are not looked for in dependency lists and MLflow's own description, which name programs and modules.
    ours = file.name in ("MLmodel", "conda.yaml", "python_env.yaml", "requirements.txt")
    telling = TELLING - {"NAME", "ACCOUNT", "PHONE"} if ours or file.suffix == ".onnx" else TELLING
    return context.find_personal_data(text) & telling


def _secrets(text: str) -> set[str]:
    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import transient_settings

    plugins = ["AWSKeyDetector", "PrivateKeyDetector", "BasicAuthDetector", "GitHubTokenDetector", "JwtTokenDetector",
               "SlackDetector", "StripeDetector", "AzureStorageKeyDetector"]  # fmt: skip
    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        secrets = SecretsCollection()
        with transient_settings({"plugins_used": [{"name": name} for name in plugins]}):
            secrets.scan_file(file.name)
        return {secret.type for _, secret in secrets}
