"""Open a container with one codec and build it again, without the framework."""

import io
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from airlock.core.canonical_json import dumps, loads
from airlock.core.expanded import PORTABLE
from airlock.core.fields import Fields
from airlock.core.forms.codec import HEAD, MAX_CONTENT, Codec, Container, Opened, Room
from airlock.core.forms.zstd_container import ENCODER
from airlock.errors import IntegrityError

CODECS = PORTABLE | {ENCODER}
TEXT = b"".join(b"line %d of some text that deflates\n" % (number * number % 977) for number in range(9000))


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An opened container with the contents of its parts."""

    codec: Codec
    opened: Opened
    contents: list[bytes]

    @property
    def container(self) -> Container:
        return parsed(self.codec, dict(self.opened.recipe), self.opened.structure, self.opened.corrections)

    def built(self) -> bytes:
        return b"".join(self.container.build(iter([iter([content]) for content in self.contents])))


def case(codec: Codec, original: bytes, *, thorough: bool = False) -> Case:
    assert codec.matches(original[:HEAD])
    opened = codec.open(io.BytesIO(original), CODECS, thorough=thorough, room=Room(MAX_CONTENT))
    assert opened is not None
    contents = [b"".join(part.read()) for part in opened.parts]
    assert [len(content) for content in contents] == [part.size for part in opened.parts]
    return Case(codec=codec, opened=opened, contents=contents)


def refused(codec: Codec, original: bytes) -> bool:
    return codec.open(io.BytesIO(original), CODECS, thorough=True, room=Room(MAX_CONTENT)) is None


def parsed(codec: Codec, recipe: object, structure: bytes, corrections: bytes = b"") -> Container:
    fields = Fields(loads(dumps(recipe), "test"), "test", IntegrityError)
    return codec.parse(fields, structure, corrections, "test")


def builds_or_refuses(codec: Codec, recipe: object, structure: bytes, contents: Iterable[bytes]) -> int:
    """The bytes that a hostile container makes, 0 where it is refused with IntegrityError; nothing else may happen."""
    try:
        container = parsed(codec, recipe, structure)
        return sum(map(len, container.build(iter([iter([content]) for content in contents]))))
    except IntegrityError:
        return 0


def run(*command: str, cwd: Path | None = None, data: bytes = b"") -> bytes:
    return subprocess.run(command, cwd=cwd, input=data, capture_output=True, check=True).stdout
