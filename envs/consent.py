"""Consent tables of scenarios: rows that take the place of the chain's own.

Flows in: what a scenario says in the format of `chain.yaml`, owners and classes by name or `*`, and a twin. Flows out:
the twin with those rows replaced. What the scenario does not speak of stays as the chain has it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from ..twin.graph import ConsentRule, Twin
from ..twin.sources.chain_model import Answer, AnswerPart
from ..twin.vocabulary import AssetKind, ConsentClass, ConsentMode, Proposer

ANY = "*"  # every owner with something to defend, every class; what is named wins over it
AUTOMATIC = (ConsentMode.AT_ONCE, ConsentMode.VETO_WINDOW)


class Answers(BaseModel):
    """How an owner answers requests of a class; a side left out stays as the chain has it."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    own: Answer | None = None
    other: Answer | None = None

    @model_validator(mode="before")
    @classmethod
    def _says_something(cls, said: Any) -> Any:
        if isinstance(said, dict) and not said:
            raise ValueError("says nothing; give own, other or both")
        return said


def _checked(classes: dict[str, Answers]) -> dict[str, Answers]:
    for word, answers in classes.items():
        if word != ANY and ConsentClass.parse(word) is ConsentClass.SAFETY and _is_automatic(answers):
            raise ValueError("consent to safety is never automatic; use mode ask or never")
    return classes


ClassTable = Annotated[dict[str, Answers], Field(min_length=1), AfterValidator(_checked)]  # answers by class


def with_consent(twin: Twin, said: Mapping[str, ClassTable]) -> Twin:
    """Give the twin with the rows that the scenario gives; `*` never makes consent to safety automatic.

    Raises:
        ValueError: an owner that the twin does not have; names those that it has.
    """
    owners = sorted({asset.owner for asset in twin.assets if asset.kind is not AssetKind.EXTERNAL})
    for owner in said:
        if owner != ANY and owner not in owners:
            raise ValueError(f"consent: owner {owner!r} is none of this chain; take one of {', '.join(owners)} or '*'")
    table = {(rule.owner, rule.consent_class, rule.proposer): rule for rule in twin.consent}
    for owner in sorted(said, key=lambda name: name != ANY):
        for one in owners if owner == ANY else (owner,):
            for rule in _rules(one, said[owner]):
                table[rule.owner, rule.consent_class, rule.proposer] = rule
    kept = sorted(table.values(), key=lambda rule: (rule.owner, rule.consent_class, rule.proposer))
    return replace(twin, consent=tuple(kept))


def _rules(owner: str, classes: Mapping[str, Answers]) -> Iterator[ConsentRule]:
    """Rows for an owner, those of `*` first."""
    for word in sorted(classes, key=lambda name: name != ANY):
        answers = classes[word]
        for consent_class in ConsentClass if word == ANY else (ConsentClass.parse(word),):
            for proposer, answer in ((Proposer.OWN, answers.own), (Proposer.OTHER, answers.other)):
                if answer is None or (consent_class is ConsentClass.SAFETY and answer.mode in AUTOMATIC):
                    continue
                assert isinstance(consent_class, ConsentClass)
                yield _rule(owner, consent_class, proposer, answer)


def _rule(owner: str, consent_class: ConsentClass, proposer: Proposer, answer: AnswerPart) -> ConsentRule:
    wait, no = answer.minutes * 60.0, answer.refusal
    return ConsentRule(owner, consent_class, proposer, answer.mode, wait, no, answer.hours, answer.quorum)


def _is_automatic(answers: Answers) -> bool:
    return any(answer is not None and answer.mode in AUTOMATIC for answer in (answers.own, answers.other))
