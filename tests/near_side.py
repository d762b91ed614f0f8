"""A near side for tests: a web made of literals, a reporter that remembers, a store in a temporary directory."""

import io
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from airlock.core.artifact import Artifact
from airlock.core.digest import Digest, digest_of
from airlock.core.expanded import Member, RawForm
from airlock.core.paths import SafePath
from airlock.core.reporter import Reporter
from airlock.core.target import Target
from airlock.core.web import MAX_CONTENT, Download, Reply, Web
from airlock.errors import FetchError
from airlock.kinds import NearSide, Placing, Room
from airlock.storage.store import Store


@dataclass
class FakeWeb:
    """Serves `pages`. `breaks` holds, for each coming download, after how many bytes the line goes dead."""

    pages: Mapping[str, bytes] = field(default_factory=dict)
    breaks: list[int] = field(default_factory=list)
    ranges: bool = True
    asked: list[tuple[str, int]] = field(default_factory=list)

    def get(self, url: str, headers: Mapping[str, str] | None = None, limit: int = MAX_CONTENT) -> Reply:
        body = self.pages.get(url)
        return Reply(status=404 if body is None else 200, url=url, headers={}, body=body or b"")

    @contextmanager
    def download(self, url: str, start: int = 0) -> Iterator[Download]:
        self.asked.append((url, start))
        if url not in self.pages:
            raise FetchError(url, "no such file", expected="status 200", found="404")
        start = start if self.ranges else 0
        yield Download(status=206 if start else 200, start=start, chunks=self._chunks(url, start))

    def _chunks(self, url: str, start: int) -> Iterator[bytes]:
        body = self.pages[url][start:]
        end = self.breaks.pop(0) if self.breaks else None
        for offset in range(0, len(body[:end]), 7):
            yield body[:end][offset : offset + 7]
        if end is not None:
            raise FetchError(url, "the connection was closed")


@dataclass
class Recorder:
    """A reporter that tests read."""

    started: list[tuple[str, int | None]] = field(default_factory=list)
    done: dict[str, int] = field(default_factory=dict)
    finished: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    def start(self, task: str, total: int | None) -> None:
        self.started.append((task, total))

    def advance(self, task: str, amount: int) -> None:
        assert amount >= 0, "progress never goes backwards"
        self.done[task] = self.done.get(task, 0) + amount

    def finish(self, task: str) -> None:
        self.finished.append(task)

    def note(self, text: str) -> None:
        self.notes.append(text)

    def warn(self, text: str) -> None:
        self.warnings.append(text)


def near_side(directory: Path, web: Web | None = None, reporter: Reporter | None = None) -> NearSide:
    return NearSide(
        directory=directory,
        cache=directory / ".cache",
        store=Store(directory / ".cache" / "store"),
        web=web or FakeWeb(),
        default_index=lambda: "https://index.example/simple/",
        reporter=reporter or Recorder(),
    )


def artifact_of(data: bytes, **changes: str) -> Artifact:
    """An artifact with these bytes."""
    names = {"kind": "file", "name": "share/data", "version": "", "file": "data"} | changes
    return Artifact(
        kind=names["kind"],
        name=names["name"],
        version=names["version"],
        file=names["file"],
        size=len(data),
        digest=digest_of(data),
    )


def stored(near: NearSide, digest: Digest) -> bytes:
    with near.store.open(digest) as stream:
        return stream.read()


@dataclass
class Placed:
    """A room that keeps what is written."""

    files: dict[str, tuple[bytes, int]] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)

    def write(self, path: SafePath, chunks: Iterable[bytes], mode: int) -> tuple[Digest, int]:
        data = b"".join(chunks)
        self.files[path] = (data, mode)
        return digest_of(data), len(data)

    def write_all(self, files: Sequence[Placing]) -> list[Digest]:
        raise NotImplementedError

    def link(self, path: SafePath, target: str) -> None:
        self.links[path] = target

    @property
    def room(self) -> Room:
        target = Target(name="north", python="3.11", platform="manylinux_2_28_x86_64", prefix="")
        return Room(
            target=target,
            interpreter="/opt/plant/bin/python",
            write=self.write,
            write_all=self.write_all,
            link=self.link,
        )


def raw_contents(data: bytes) -> Callable[[], Iterator[Member]]:
    """The expanded form `raw/1` of `data`."""
    return lambda: RawForm().members(io.BytesIO(data))
