"""`airlock pull`: a bundle or delta out of a registry, to the bit what was pushed. It is as little trusted as one from a disc."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from airlock.core.digest import Hasher
from airlock.core.reporter import Reporter
from airlock.errors import FetchError, IntegrityError
from airlock.oci.carried import Carried, Member
from airlock.oci.registry import Registry
from airlock.storage.assembly import Assembly

_TASK = "Pulling"
_JOBS = 4
_TRIES = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulled:
    received: int
    """Bytes that came over the network."""
    kept: int
    """Bytes that an earlier run had brought."""


def pull(carried: Carried, registry: Registry, destination: Path, reporter: Reporter) -> Pulled:
    """Write the archive to `destination`, which takes its name when all of it is there; what an interrupted run brought is
    kept. Raises FetchError, IntegrityError where a blob has other bytes, TargetError where there is no room; OSError."""
    sizes = {member.name: member.size for member in carried.members}
    with closing(Assembly(destination, sizes)) as assembly:
        arrivals = [
            _arrival(member, assembly.left_of(member.name, member.digest)) for member in carried.members
        ]
        assembly.reserve()
        reporter.start(_TASK, sum(sizes.values()))
        reporter.advance(_TASK, sum(one.told for one in arrivals))
        try:
            _bring_all(arrivals, _Transfer(registry, assembly, reporter))
        finally:
            reporter.finish(_TASK)
        assembly.finish()
    kept = sum(one.kept for one in arrivals)
    return Pulled(received=sum(sizes.values()) - kept, kept=kept)


def _arrival(member: Member, left: Hasher) -> "_Arrival":
    return _Arrival(member, left, told=left.size, kept=left.size)


def _bring_all(arrivals: Sequence["_Arrival"], transfer: "_Transfer") -> None:
    pool = ThreadPoolExecutor(max_workers=_JOBS)
    try:
        list(pool.map(transfer.bring, arrivals))
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(slots=True)
class _Arrival:
    """A member on its way. `told` is what was reported, so that progress never goes backwards where it starts over."""

    member: Member
    hasher: Hasher
    told: int
    kept: int
    """Bytes of an earlier run that are a part of it, as far as is known."""

    def anew(self) -> None:
        self.hasher, self.kept = Hasher(), 0


@dataclass(frozen=True, slots=True)
class _Transfer:
    registry: Registry
    assembly: Assembly
    reporter: Reporter

    def bring(self, one: _Arrival) -> None:
        """An earlier run may have left what is no part of it: then, once, all of it comes anew."""
        for attempt in range(1, _TRIES + 1):
            before = one.hasher.size
            try:
                self._continue(one)
                return
            except IntegrityError:
                if not one.kept:
                    raise
                one.anew()
            except FetchError:
                if attempt == _TRIES or one.hasher.size == before:
                    raise

    def _continue(self, one: _Arrival) -> None:
        member = one.member
        if one.hasher.size == member.size:
            self.assembly.write(member.name, member.digest, one.hasher, ())
            return
        with self.registry.web.download(self.registry.blob_url(member.digest), one.hasher.size) as reply:
            if reply.start not in (0, one.hasher.size):
                raise FetchError(member.name, "the registry answered with another range")
            if not reply.start:
                one.anew()
            self.assembly.write(member.name, member.digest, one.hasher, self._told(reply.chunks, one))

    def _told(self, chunks: Iterator[bytes], one: _Arrival) -> Iterator[bytes]:
        for chunk in chunks:
            yield chunk
            if one.hasher.size > one.told:
                self.reporter.advance(_TASK, one.hasher.size - one.told)
                one.told = one.hasher.size
