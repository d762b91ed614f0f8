"""One run of the resolver."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from packaging.utils import NormalizedName
from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver
from resolvelib.structs import RequirementInformation

from airlock.kinds.wheel.provider import Asked, Candidate, Provider, Question
from airlock.kinds.wheel.shelf import Shelf

Causes = Collection[RequirementInformation[Asked, Candidate]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    provider: Provider
    mapping: Mapping[NormalizedName, Candidate]


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """There is no answer. `causes` is the last contradiction that was met."""

    provider: Provider
    causes: Causes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unfinished:
    rounds: int


def attempt(question: Question, shelf: Shelf, rounds: int) -> Answer | Failure | Unfinished:
    """Raises FetchError or IntegrityError."""
    provider = Provider(question, shelf)
    try:
        result = Resolver(provider, BaseReporter()).resolve(question.roots, max_rounds=rounds)
    except ResolutionImpossible as error:
        return Failure(provider=provider, causes=error.causes)
    except ResolutionTooDeep as error:
        return Unfinished(rounds=error.round_count)
    return Answer(provider=provider, mapping=result.mapping)
