"""One run of the resolver."""

from collections.abc import Callable, Collection, Mapping
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


class _Late(Exception):
    """There is no time for another round."""


class _Watch(BaseReporter[Asked, Candidate, NormalizedName]):
    def __init__(self, late: Callable[[], bool]) -> None:
        self._late, self.rounds = late, 0

    def starting_round(self, index: int) -> None:
        self.rounds = index
        if self._late():
            raise _Late


def attempt(
    question: Question, shelf: Shelf, rounds: int, late: Callable[[], bool] = lambda: False
) -> Answer | Failure | Unfinished:
    """`late` is asked before each round. Raises FetchError or IntegrityError."""
    provider, watch = Provider(question, shelf), _Watch(late)
    try:
        result = Resolver(provider, watch).resolve(question.roots, max_rounds=rounds)
    except _Late:
        return Unfinished(rounds=watch.rounds)
    except ResolutionImpossible as error:
        return Failure(provider=provider, causes=provider.rooted(error.causes))
    except ResolutionTooDeep as error:
        return Unfinished(rounds=error.round_count)
    return Answer(provider=provider, mapping=result.mapping)
