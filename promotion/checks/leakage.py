"""Leakage: no personal data and no secret in any text of the model, no row of a person among its examples, and no input that is
the label in another form."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Iterable, Iterator
from typing import Any

from promotion.checks.context import CheckContext, CheckResult, Finding, result
from promotion.checks.jailed import FEWEST_OF_A_KIND, FEWEST_ROWS, ask
from promotion.checks.texts import MOST_CHARACTERS, read, texts_of

# What may not stand anywhere, and what may not stand where people write. A vocabulary may say where and when.
ANYWHERE = frozenset({"SSN", "EMAIL"})
IN_WORDS = ANYWHERE | {"PHONE", "ACCOUNT", "VEHICLE", "NAME"}
MOST_SINGLE = 3_000
MOST_WORDS = 100_000
TELLS_ALL = 0.99  # an input that alone predicts so well is the label in another form
PLUGINS = (
    "AWSKeyDetector", "ArtifactoryDetector", "AzureStorageKeyDetector", "BasicAuthDetector", "DiscordBotTokenDetector",
    "GitHubTokenDetector", "GitLabTokenDetector", "JwtTokenDetector", "MailchimpDetector", "NpmDetector", "OpenAIDetector",
    "PrivateKeyDetector", "PypiTokenDetector", "SendGridDetector", "SlackDetector", "SquareOAuthDetector", "StripeDetector",
    "TelegramBotTokenDetector", "TwilioKeyDetector",
)  # fmt: skip


def run(context: CheckContext) -> CheckResult:
    """Passes when no text of the model holds an identifier or a secret, and training data does not show through.

    Kinds and counts only are reported.
    """
    problems, looked, characters = [], 0, 0
    files = sorted(path for path in context.folder.rglob("*") if path.is_file())
    texts = {file.relative_to(context.folder).as_posix(): texts_of(file.name, read(file)) for file in files}
    words = sorted({word for found in texts.values() for word in found.words[:MOST_WORDS]})
    shown, notes, measured = _training(context, words)
    # What so many rows of a de-identified snapshot hold is no person's name, however it looks.
    common = {words[int(place)] for place in measured.pop("common", ()) if 0 <= place < len(words)} if measured else set()
    for name, found in texts.items():
        looked, characters = looked + 1, characters + sum(map(len, found.words))
        kinds = _kinds(context, [word for word in found.words if word not in common], IN_WORDS)
        kinds |= _kinds(context, [word for word in found.words if word in common], IN_WORDS - {"NAME"})
        kinds |= _kinds(context, found.identifiers, ANYWHERE)
        kinds |= _kinds(context, [name], ANYWHERE)
        problems += [f"{name} holds personal data ({kind})." for kind in sorted(kinds)]
        problems += [f"{name} holds a secret ({kind})." for kind in sorted(_secrets([*found.words, *found.identifiers]))]
    evidence = {"files": looked, "characters": characters, "training": measured}
    good = f"No personal data or secret in {looked} files, no training row among its examples."
    return result(context, "leakage", problems + shown, good, evidence, notes)


def _training(context: CheckContext, words: Collection[str]) -> tuple[list[str], list[Finding], dict[str, Any] | None]:
    """Problems, notes and counts of what the training snapshot says of the model. Without a snapshot, lineage has failed."""
    if not any(name in context.snapshots for name in (context.run.inputs if context.run else ())):
        return [], [], None
    measured = ask(context, "leakage", words=words, rows=("snapshot",))
    if isinstance(measured, str):
        return ["The model could not be compared with the training snapshot."], [], None
    problems = []
    if min(measured["positives"], measured["rows"] - measured["positives"]) >= FEWEST_OF_A_KIND:
        problems = [
            f"Input {name} alone predicts the label (ROC AUC {value:.3f}): it is the label in another form."
            for name, value in measured["alone"].items()
            if value is not None and value > TELLS_ALL
        ]
    if measured["remembered"]:
        problems.append(f"{measured['remembered']} of its example rows are training rows that fewer than {FEWEST_ROWS} are like.")
    notes = [
        Finding(
            f"leakage-rare-{name}", "medium", f"The model knows {count} values of {name} that fewer than {FEWEST_ROWS} rows have."
        )
        for name, count in measured["rare_words"].items()
    ]
    return problems, notes, measured


def _kinds(context: CheckContext, texts: Iterable[str], telling: frozenset[str]) -> set[str]:
    """The kinds that are found in the texts together and in at least one of them alone, so that no two words make a name."""
    unique = [text for text in dict.fromkeys(texts) if text.strip()]
    seen: set[str] = set()
    for together in _together(unique):
        seen |= context.find_personal_data(together) & telling
    if "NAME" in seen:
        single = (context.find_personal_data(text) for text in unique[:MOST_SINGLE])
        if not any("NAME" in kinds for kinds in single):
            seen -= {"NAME"}
    return seen


def _together(texts: list[str]) -> Iterator[str]:
    """The texts in parts of a size that is looked through quickly; none is left out, up to the limit."""
    part: list[str] = []
    size = total = 0
    for text in texts:
        part.append(text)
        size, total = size + len(text), total + len(text)
        if size > 50_000:
            yield "\n".join(part)
            part, size = [], 0
        if total > MOST_CHARACTERS:
            break
    if part:
        yield "\n".join(part)


def _secrets(texts: list[str]) -> set[str]:
    from detect_secrets.core.secrets_collection import SecretsCollection
    from detect_secrets.settings import transient_settings

    with tempfile.NamedTemporaryFile("w", suffix=".txt", encoding="utf-8", errors="replace") as file:
        file.write("\n".join(texts)[:MOST_CHARACTERS])
        file.flush()
        secrets = SecretsCollection()
        with transient_settings({"plugins_used": [{"name": name} for name in PLUGINS]}):
            secrets.scan_file(file.name)
        return {secret.type for _, secret in secrets}
