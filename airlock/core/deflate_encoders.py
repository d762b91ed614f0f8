"""Which encoder makes a raw deflate stream of its content, and the stream again.

Encoders have versioned names. `zlib/1:LEVEL`, `zlib-rs/1:6`, `miniz/1:6` and those of `go_encoders` make a stream of its
content alone. `tokens/1:ENCODER` makes one that no encoder at hand makes: of what ENCODER would write, and of corrections, which say where
the stream's blocks end and where its tokens differ. GNU gzip chooses zlib's tokens, zlib-ng almost zlib-rs's.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from airlock.core.deflate import (
    LEVELS,
    PROBE,
    Compressor,
    begins_with,
    check_zlib,
    compressed,
    crate_has_zlib,
    sample,
)
from airlock.core.deflate import compressor as zlib_compressor
from airlock.core.digest import CHUNK
from airlock.core.go_encoders import EXAMPLES, GO, go_compressor, in_pieces, is_of_go
from airlock.core.native import native
from airlock.errors import IntegrityError, TargetError

TOKENS = "tokens/1"
_NAME = re.compile(r"(tokens/1:)?(zlib/1:[1-9]|zlib-rs/1:6|miniz/1:6)")
_PLAIN = ("zlib/1:6", "zlib-rs/1:6", "miniz/1:6", "zlib/1:9", "zlib/1:1", *GO)
"""In the order in which they are met."""
_OTHER_LEVELS = tuple(name for level in LEVELS if (name := f"zlib/1:{level}") not in _PLAIN)
_WORTH = 4
"""Corrections of more than this part of a stream are not worth what they save."""
_MOST = 64 << 20
"""Bytes of corrections that an expanded form has room for."""

_FIRST_MATCHED = 4
"""The level from which on the crate chooses tokens as zlib does without making its stream."""
_BEGINNING, _LOOKAHEAD = 1 << 15, 1 << 10
"""Bytes of content that tell encoders apart, and that an encoder must see beyond them to choose the same tokens."""
_NEARLY = 1 / 128
"""Bytes of corrections for each byte of content up to which an encoder may turn out to be the stream's own: where its
content ends, an encoder chooses other tokens than where it goes on."""

_GOLDEN = {
    "zlib-rs/1": "59343f2eda760f0610f294166f3440b4150f540c051ff7ea0462465de177bb23",
    "miniz/1": "3d1d4351de5e34635a0f8835c2f547c378a9f2aabddfb2de676ef46169cd008d",
    "go/1": "95cc764448136080fa10278fc6b3cea7d8ed2748d35f939b0ad1ff858444a333",
    "pgzip/1": "3947bbcf725b723371b413dc019bba655eb3032ad91a82f0bab10501852fe6e8",
    "pgzip/2": "694aac3a6922fd5e5f5cfe2f315b4cb3bcd0cc9290305f047f0407177361811a",
    TOKENS: "1a47e107d6fee0edeb5038d502c95c77e428c6b34bc5f1a8f531a03477afc816",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recipe:
    encoder: str
    corrections: bytes = b""
    """Empty but for `tokens/1`."""


def is_encoder(name: str) -> bool:
    return _NAME.fullmatch(name) is not None or is_of_go(_plain(name))


def families(encoder: str) -> frozenset[str]:
    """The codecs that `encoder` rests on, without their parameters: `tokens/1` and `zlib/1` for `tokens/1:zlib/1:6`."""
    plain = _plain(encoder)
    family = plain.partition(":")[0]
    return frozenset({family} if plain == encoder else {family, TOKENS})


def find(
    content: Callable[[], Iterator[bytes]],
    stream: Callable[[], Iterator[bytes]],
    size: int,
    first: str | None,
    codecs: frozenset[str],
    thorough: bool,
) -> Recipe | None:
    """What makes the `stream` of `size` bytes of `content`, by the encoders in `codecs` alone; None where nothing does.

    `first` is what made the stream before this one, and is tried first. Unless `thorough`, an encoder without
    corrections is believed after PROBE bytes of content. Raises TargetError where an encoder writes other bytes here.
    """
    probe = None if thorough else PROBE
    last = _plain(first) if first else _PLAIN[0]
    if first and first != last and families(first) <= codecs:
        if _makes(last, content, stream, probe):
            return Recipe(encoder=last)
        if (found := _tokens(last, content, stream, size)) and len(found.corrections) <= 64 + size // 64:
            return found
    if families(last) <= codecs and _makes(last, content, stream, probe):
        return Recipe(encoder=last)
    if TOKENS not in codecs:
        others = (name for name in (*_PLAIN, *_OTHER_LEVELS) if name != last and families(name) <= codecs)
        made = next((name for name in others if _makes(name, content, stream, probe)), None)
        return Recipe(encoder=made) if made else None
    ranked = _ranked(codecs, content, stream)
    for encoder, corrections in ranked:
        if encoder != last and corrections < _NEARLY and _makes(encoder, content, stream, probe):
            return Recipe(encoder=encoder)
    return _tokens(ranked[0][0], content, stream, size) if ranked else None


def deflated(encoder: str, content: Iterable[bytes], corrections: bytes, where: str) -> Iterator[bytes]:
    """The raw deflate stream that `encoder` makes of `content`; it does not depend on where that is cut. Raises
    IntegrityError that names `where` for corrections that do not belong to the content, and TargetError where the encoder is
    absent or writes other bytes here."""
    plain = _plain(encoder)
    _check(encoder)
    if plain != encoder:
        return _corrected(plain, content, corrections, where)
    if corrections:
        raise IntegrityError(where, f"{encoder} takes no corrections")
    return compressed(_compressor(plain), content)


def level_of(recipe: Recipe) -> int | None:
    """With which level of zlib the native crate makes whole streams of this recipe; None where it does not."""
    plain = _plain(recipe.encoder)
    if not plain.startswith("zlib/1:") or not crate_has_zlib():
        return None
    level = int(plain[-1])
    if plain == recipe.encoder:
        return level if not recipe.corrections else None
    _check(recipe.encoder)
    return level if level >= _FIRST_MATCHED else None


@cache
def check_native(name: str) -> None:
    """Compare an encoder of the native crate with its golden vector. Raises TargetError that says how to go on."""
    if native() is None:
        raise TargetError(
            "the native crate",
            f"the encoder {name} is not at hand here",
            hint="install airlock where cargo (1.85 or newer) is on PATH",
        )
    data = sample()
    if name in EXAMPLES:
        found = hashlib.sha256()
        for example in EXAMPLES[name]:
            found.update(b"".join(compressed(_compressor(example), [data])))
    elif name == TOKENS:
        made = b"".join(compressed(_compressor("zlib/1:9"), [data]))
        recipe = _tokens("zlib/1:6", lambda: iter([data]), lambda: iter([made]), len(made))
        corrections = recipe.corrections if recipe else b""
        found = hashlib.sha256(corrections + b"".join(_corrected("zlib/1:6", [data], corrections, name)))
    else:
        found = hashlib.sha256(b"".join(compressed(_compressor(f"{name}:6"), [data])))
    if found.hexdigest() != _GOLDEN[name]:
        raise TargetError(
            "the native crate",
            f"this build of it is not the encoder {name}",
            expected=_GOLDEN[name],
            found=found.hexdigest(),
            hint="install airlock again, with the crates that native/Cargo.toml pins",
        )


def _check(encoder: str) -> None:
    for name in sorted(families(encoder)):
        if name == "zlib/1":
            check_zlib()
        else:
            check_native(name)


def _plain(encoder: str) -> str:
    return encoder.removeprefix(f"{TOKENS}:")


def _compressor(plain: str) -> Compressor:
    codec, _, level = plain.partition(":")
    if codec == "zlib/1":
        return zlib_compressor(int(level))
    if is_of_go(plain):
        return go_compressor(_native(), plain)
    compressor: Compressor = _native().ZlibRs() if codec == "zlib-rs/1" else _native().Miniz()
    return compressor


def _native() -> Any:
    crate = native()
    assert crate is not None, "check_native comes first"
    return crate


def _makes(
    plain: str,
    content: Callable[[], Iterator[bytes]],
    stream: Callable[[], Iterator[bytes]],
    probe: int | None,
) -> bool:
    _check(plain)
    made = (
        compressed(_compressor(plain), content())
        if probe is None
        else _start(_compressor(plain), content(), probe)
    )
    return begins_with(stream(), made)


def _start(compressor: Compressor, content: Iterator[bytes], probe: int) -> Iterator[bytes]:
    """The first bytes of the stream, as far as `probe` bytes of content decide them; a block of it at least."""
    written = 0
    for chunk in content:
        data = compressor.compress(chunk)
        yield data
        written += len(data)
        probe -= len(chunk)
        if probe <= 0 and written:
            return
    yield compressor.flush()


def _ranked(
    codecs: frozenset[str], content: Callable[[], Iterator[bytes]], stream: Callable[[], Iterator[bytes]]
) -> list[tuple[str, float]]:
    """The encoders that foresee the stream's beginning, the best first, with their corrections for each byte of it."""
    found = [
        (name, _Comparison(name, lambda: _prefix(content(), _BEGINNING + _LOOKAHEAD), stream).run(_BEGINNING))
        for name in _PLAIN
        if families(name) <= codecs
    ]
    ranked = sorted(
        ((name, corrections) for name, corrections in found if corrections is not None),
        key=lambda pair: (pair[1], _PLAIN.index(pair[0])),
    )
    return in_pieces(_native(), ranked, stream)


def _prefix(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Not more than `size` bytes."""
    for chunk in chunks:
        yield chunk[:size]
        size -= len(chunk)
        if size <= 0:
            return


def _tokens(
    plain: str, content: Callable[[], Iterator[bytes]], stream: Callable[[], Iterator[bytes]], size: int
) -> Recipe | None:
    """None where the corrections are not worth it, or the stream is spelled in a way that no encoder has."""
    comparison = _Comparison(plain, content, stream)
    if comparison.run(None, limit=min(size // _WORTH, _MOST)) is None:
        return None
    try:
        corrections: bytes = comparison.finder.corrections()
    except ValueError:
        return None
    return Recipe(encoder=f"{TOKENS}:{plain}", corrections=corrections)


class _Comparison:
    """A stream beside what an encoder would make of its content, both read as they are wanted."""

    def __init__(
        self, plain: str, content: Callable[[], Iterator[bytes]], stream: Callable[[], Iterator[bytes]]
    ) -> None:
        self.finder = _native().TokenFinder(is_of_go(plain))
        self._sources = {True: stream(), False: compressed(_compressor(plain), content())}
        self._complete = {True: False, False: False}

    def run(self, probe: int | None, limit: int | None = None) -> float | None:
        """Bytes of corrections for each byte of content, as far as `probe` bytes of content. None where the stream is
        damaged, or the corrections grow over `limit` bytes."""
        wants_stream, size = True, 0
        while not self._complete[wants_stream]:
            data = next(self._sources[wants_stream], None)
            self._complete[wants_stream] = data is None
            pair = (data or b"", b"") if wants_stream else (b"", data or b"")
            try:
                wants_stream, size = self.finder.feed(*pair, (self._complete[True], self._complete[False]))
            except ValueError:
                return None
            if limit is not None and size > limit:
                return None
            if probe is not None and self.finder.position() >= probe:
                break
        position: int = self.finder.position()
        return size / max(1, position)


def _corrected(plain: str, content: Iterable[bytes], corrections: bytes, where: str) -> Iterator[bytes]:
    compressor = _compressor(plain)
    try:
        writer = _native().TokenWriter(corrections, is_of_go(plain))
        for chunk in content:
            for start in range(0, len(chunk), CHUNK):
                piece = chunk[start : start + CHUNK]
                if data := writer.feed(piece, compressor.compress(piece), False):
                    yield data
        yield writer.feed(b"", compressor.flush(), True)
    except ValueError as error:
        raise IntegrityError(where, f"corrections of another deflate stream, {error}") from error
