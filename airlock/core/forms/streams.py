"""Which encoder makes a deflate stream again."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass

from airlock.core import deflate
from airlock.core.forms.codec import Chunks, CodecSet
from airlock.errors import IntegrityError

_ENCODER = re.compile(r"zlib/1:[1-9]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    encoder: str
    corrections: bytes = b""


def family(encoder: str) -> str:
    """The encoder without its parameters, as `zlib/1`."""
    return encoder.partition(":")[0]


def is_encoder(name: str) -> bool:
    return _ENCODER.fullmatch(name) is not None


def find(
    content: Callable[[], Chunks],
    stream: Callable[[], Chunks],
    size: int,
    first: str | None,
    codecs: CodecSet,
    thorough: bool,
) -> Recipe | None:
    if "zlib/1" not in codecs:
        return None
    deflate.check_zlib()
    level = int(first[-1]) if first else 6
    found = deflate.level_of(content, stream, level, None if thorough else deflate.PROBE)
    return Recipe(encoder=f"zlib/1:{found}") if found else None


def deflated(encoder: str, content: Iterable[bytes], corrections: bytes, where: str) -> Chunks:
    if corrections:
        raise IntegrityError(where, f"{encoder} takes no corrections")
    deflate.check_zlib()
    return deflate.deflated(content, int(encoder[-1]))
