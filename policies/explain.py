"""Reasons in sentences: each stands in the METADATA of the rule that gives it, so text and rule change together."""

from __future__ import annotations

import functools
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import yaml

from policies.bundle import Bundle
from policies.decisions import Decision

METADATA = re.compile(r"^# METADATA\n((?:#[^\n]*\n)+)", re.MULTILINE)

# Reasons that no rule gives, but the client of the engine.
OF_THE_CLIENT = {
    "engine_unavailable": "The policy engine did not answer, so this is denied.",
    "invalid_answer": "The policy engine's answer was not one to trust, so this is denied.",
}


@dataclass(frozen=True, slots=True)
class Rule:
    """Where a reason comes from: the file, the rule's title, and what the reason means for a person."""

    file: str
    title: str
    sentence: str

    def as_json(self) -> dict[str, Any]:
        return {"file": self.file, "title": self.title, "sentence": self.sentence}


def rules(bundle: Bundle) -> dict[str, Rule]:
    """Reason code -> the rule that explains it, from the METADATA of `bundle`."""
    found = {reason: Rule("policies/client.py", "The engine", text) for reason, text in OF_THE_CLIENT.items()}
    for name, text in bundle.modules.items():
        for block in METADATA.findall(text):
            said = yaml.safe_load(re.sub(r"^# ?", "", block, flags=re.MULTILINE)) or {}
            custom = said.get("custom", {})
            if "reason" in custom:
                found[custom["reason"]] = Rule(name, str(said.get("title", "")), str(custom.get("sentence", "")))
    return found


def explained(decision: Decision, known: Mapping[str, Rule]) -> list[str]:
    """The decision in sentences."""
    if not decision.allow:
        return [_why(reason, known.get(reason)) for reason in decision.reasons]
    said = ["Allowed: every condition of the policy is met."]
    terms = decision.obligations
    for treatment in sorted({str(how) for how in terms.get("columns", {}).values()}):
        names = sorted(name for name, how in terms["columns"].items() if how == treatment)
        said.append(f"Seen as {treatment}: {', '.join(names)}.")
    if terms.get("row_filter"):
        said.append(f"Only rows that pass the filter '{terms['row_filter']}' are seen.")
    if "ttl_seconds" in terms:
        said.append(f"It ends after {terms['ttl_seconds']} seconds.")
    if terms.get("log_statements"):
        said.append("Every statement is logged.")
    if terms.get("review_within_seconds"):
        said.append(f"It must be reviewed within {terms['review_within_seconds']} seconds.")
    if "min_k" in terms:
        said.append("Limits: " + ", ".join(f"{name} {value}" for name, value in sorted(terms.items())) + ".")
    return said


def _why(reason: str, rule: Rule | None) -> str:
    if rule is None:
        return f"Denied by policy ({reason})."
    return f"{rule.sentence} [{reason}: {rule.title}, {rule.file}]"


@functools.cache
def sentences() -> dict[str, str]:
    """Reason code -> sentence, from the default policies."""
    return {reason: rule.sentence for reason, rule in rules(Bundle.load()).items()}


def sentence(reason: str) -> str:
    """What `reason` means, for a person; an organisation's own reason stands for itself."""
    return sentences().get(reason, f"Denied by policy ({reason}).")
