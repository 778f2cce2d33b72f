"""What can be said of policies without asking them anything: they load, compile, and every reason has its sentence."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from policies.builtins import NOT_CODE
from policies.bundle import Bundle
from policies.client import PolicyClient
from policies.embedded import EmbeddedEngine
from policies.explain import rules

GIVEN = re.compile(r'(?:contains|denied\(\[)\s*"([a-z_]+)"')
# In OPA what stands under `not` in a comparison or a call is looked up before the negation: is it missing, then the whole rule is
# undefined, and a reason for denial is silently not given. A helper rule under `not` has no such hole.
DOUBTFUL_NOT = re.compile(
    r"\bnot\s+(?:[^\n;}]*[\w\]]\.[^\n;}]*(?:<=|>=|<|>|!=|\sin\s)|[^\n;}]*(?:<=|>=|<|>|!=|\sin\s)[^\n;}]*[\w\]]\.|[\w.]+\([^\n]*\w\.\w)"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Something about the policies that an organisation should not put to use."""

    code: str
    where: str
    sentence: str

    def as_json(self) -> dict[str, str]:
        return {"code": self.code, "where": self.where, "sentence": self.sentence}


def problems(bundle: Bundle) -> list[Problem]:
    """What is wrong with `bundle`, empty if nothing is. Raises InvalidPolicies when it does not compile."""
    engine = EmbeddedEngine(bundle)
    engine.prepare({})
    found = [*_untold(bundle), *_doubtful(bundle)]
    questions: tuple[Any, ...] = (None, {}, [])
    for nothing in questions:
        decision = PolicyClient(engine).decide(nothing)
        if decision.allow:
            found.append(Problem("allows_nothing", "decision", "A question with nothing in it is allowed."))
        elif decision.reasons in (("engine_unavailable",), ("invalid_answer",)):
            found.append(Problem("no_decision", "decision", "The entrypoint sallyport/decision gives no well-formed decision."))
    return sorted(set(found), key=lambda problem: (problem.where, problem.code))


def reasons(bundle: Bundle) -> dict[str, str]:
    """Every reason code the rules can give, and the file of one that does."""
    return {code: name for name, text in bundle.modules.items() for code in GIVEN.findall(re.sub(r"#[^\n]*", "", text))}


def _untold(bundle: Bundle) -> Iterator[Problem]:
    told = rules(bundle)
    for code, name in reasons(bundle).items():
        if code not in told or not told[code].sentence:
            yield Problem("reason_without_sentence", name, f"The reason {code} has no sentence in the METADATA of any rule.")


def _doubtful(bundle: Bundle) -> Iterator[Problem]:
    for name, text in bundle.modules.items():
        for line in NOT_CODE.sub(" ", text).splitlines():
            if DOUBTFUL_NOT.search(line):
                yield Problem(
                    "doubtful_not", name, f"'{line.strip()}' is undefined where a field is missing; put it in a rule of its own."
                )
