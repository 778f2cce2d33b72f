"""Reasons in sentences: each stands in the METADATA of the rule that gives it, so text and rule change together."""

from __future__ import annotations

import functools
import re

import yaml

from policies.bundle import Bundle

METADATA = re.compile(r"^# METADATA\n((?:#[^\n]*\n)+)", re.MULTILINE)

# Reasons that no rule gives, but the client of the engine.
OF_THE_CLIENT = {
    "engine_unavailable": "The policy engine did not answer, so this is denied.",
    "invalid_answer": "The policy engine's answer was not one to trust, so this is denied.",
}


@functools.cache
def sentences() -> dict[str, str]:
    """Reason code -> sentence, from the default policies."""
    found = dict(OF_THE_CLIENT)
    for text in Bundle.load().modules.values():
        for block in METADATA.findall(text):
            custom = (yaml.safe_load(re.sub(r"^# ?", "", block, flags=re.MULTILINE)) or {}).get("custom", {})
            if "reason" in custom:
                found[custom["reason"]] = custom["sentence"]
    return found


def sentence(reason: str) -> str:
    """What `reason` means, for a person; an organisation's own reason stands for itself."""
    return sentences().get(reason, f"Denied by policy ({reason}).")
