"""One run of the resolver."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from packaging.utils import NormalizedName
from resolvelib import BaseReporter, ResolutionImpossible, ResolutionTooDeep, Resolver
from resolvelib.structs import RequirementInformation, State

from airlock.kinds.wheel.provider import Asked, Candidate, Facts, Provider, Question

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


class _Done(Exception):
    """Everything is decided."""

    def __init__(self, mapping: Mapping[NormalizedName, Candidate]) -> None:
        self.mapping = mapping


class _Watch(BaseReporter[Asked, Candidate, NormalizedName]):
    def __init__(self, late: Callable[[], bool]) -> None:
        self._late, self.rounds = late, 0

    def starting_round(self, index: int) -> None:
        self.rounds = index
        if self._late():
            raise _Late

    def ending(self, state: State[Asked, Candidate, NormalizedName]) -> None:
        """Ends the run: what resolvelib does last, a graph of the answer, has no end where something that was given up needs
        itself."""
        raise _Done(state.mapping)


def attempt(
    question: Question, shelf: Facts, rounds: int, late: Callable[[], bool] = lambda: False
) -> Answer | Failure | Unfinished:
    """`late` is asked before each round. Raises FetchError or IntegrityError.

    Dead ends that are learned on the way take candidates from decisions that were made before, which resolvelib does not
    expect: it may then give up too early. So a search that learned something and found nothing is made again with what it
    learned.
    """
    provider = Provider(question, shelf)
    while True:
        known = provider.dead_ends.count
        found = _search(provider, rounds, late)
        if not isinstance(found, Failure) or provider.dead_ends.count == known:
            return found


def _search(provider: Provider, rounds: int, late: Callable[[], bool]) -> Answer | Failure | Unfinished:
    watch, question = _Watch(late), provider.question
    try:
        Resolver(provider, watch).resolve(question.roots, max_rounds=rounds)
    except _Done as done:
        return Answer(provider=provider, mapping=done.mapping)
    except _Late:
        return Unfinished(rounds=watch.rounds)
    except ResolutionImpossible as error:
        return Failure(provider=provider, causes=provider.rooted(error.causes))
    except ResolutionTooDeep as error:
        return Unfinished(rounds=error.round_count)
    raise AssertionError("it ends in one of these")
