"""How long a server may take. A socket's own timeout starts anew with every byte, so a server that drips would hold us for
ever; here a whole answer has a time, and its connection is cut when that is over."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True, kw_only=True)
class Patience:
    """Seconds."""

    connect: float = 15.0
    read: float = 60.0
    """Without a byte; and for the head of an answer."""
    piece: float = 120.0
    """For each 64 KiB of an answer's body."""
    again: float = 30.0
    """Between two tries, whatever the server asks for (`Retry-After`)."""


@dataclass(slots=True, eq=False)
class Limit:
    deadline: float
    cut: Callable[[], object]
    expired: bool = False


@dataclass(slots=True)
class Watchdog:
    """One thread that cuts what takes too long. Safe to use from many threads. Close it."""

    _wake: threading.Condition = field(default_factory=threading.Condition)
    _limits: set[Limit] = field(default_factory=set)
    _thread: threading.Thread | None = None
    _next: float = float("inf")
    _closed: bool = False

    @contextmanager
    def limit(self, seconds: float, cut: Callable[[], object]) -> Iterator[Limit]:
        """Call `cut`, which must not block, where the block takes longer; it is never called afterwards."""
        limit = Limit(time.monotonic() + seconds, cut)
        with self._wake:
            self._limits.add(limit)
            self._start()
            if limit.deadline < self._next:
                self._wake.notify()
        try:
            yield limit
        finally:
            with self._wake:
                self._limits.discard(limit)

    def close(self) -> None:
        with self._wake:
            self._closed = True
            self._wake.notify()
        if self._thread is not None:
            self._thread.join()

    def _start(self) -> None:
        if self._thread is None:
            self._thread = threading.Thread(target=self._watch, name="watchdog", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        with self._wake:
            while not self._closed:
                now = time.monotonic()
                for limit in [one for one in self._limits if one.deadline <= now]:
                    limit.expired = True
                    self._limits.discard(limit)
                    with suppress(Exception):
                        limit.cut()
                self._next = min((one.deadline for one in self._limits), default=float("inf"))
                self._wake.wait(None if self._next == float("inf") else max(0.0, self._next - now))
