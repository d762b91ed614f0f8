"""The encoder `lzma/1`: LZMA2 as liblzma's presets 0 to 9 make it, each also as `e` for extreme.

It is what this Python's `lzma` brings. Golden vectors are checked before anything relies on its bytes.
"""

import hashlib
import lzma
import re
from collections.abc import Iterable, Iterator
from functools import cache

from airlock.errors import TargetError

NAME = "lzma/1"
DICTIONARIES = {12: "0", 16: "1", 18: "2", 20: "43", 22: "65", 24: "7", 26: "8", 28: "9"}
"""LZMA2's property byte of a dictionary size: the presets that use it, in the order in which they are met."""
_ENCODER = re.compile(r"lzma/1:[0-9]e?")
_GOLDEN = {
    "lzma/1:0": "56ab20a4f5af2e74831f437cd7195cde062460643bb29423743a847d769da86a",
    "lzma/1:0e": "817ab004ea37f7754833b5d247da4ec05eeb1769ca3ebafcee5a638e0b847715",
    "lzma/1:1": "80a4f51a04d05b942f4a912d00c54d6c1de460efa76e137c42ab9ab5ead37fb5",
    "lzma/1:1e": "bc06023c064822b1eefd451631825b883aeef3280abd6eca638f22d1ece81994",
    "lzma/1:2": "529ab17f13b7ce36084e70702caaa4895e752a1f0063cd472dfd58b495d8d527",
    "lzma/1:2e": "9c474d3fc1ffca8e5980ef9be28ed39f997bd3f5045cc485a619d82bf91346fb",
    "lzma/1:3": "7ae12af4a4175bf2829074bb3d8c9fbe715725fefb71cc3bf219aab3027986a7",
    "lzma/1:3e": "7cbdf13eeaa398420f692724d270abbd58338ab6bd6f989d94de5039ec15002b",
    "lzma/1:4": "3e28ae6731e1e90dc07c70734e142b07b8fae8859a2af72a1a0e976ac724c978",
    "lzma/1:4e": "b4f3215b5a653ab488e90daff52a2a032391099341ce0fe7d00355895a94a1a4",
    "lzma/1:5": "ec196378c7753c8da28f339aa58f88fbb0124df4c5907154dd01e994a4ea51fb",
    "lzma/1:5e": "c770c4b815d8797fa5c1e3b0036563e3dc94ad10564ecfac3a0efb99cd2d261a",
    "lzma/1:6": "a3c8cbb082f91b1f3a58c7faebc4e41a70b8f3f46277ea89462a00776d82758e",
    "lzma/1:6e": "ebf7c902b5280a040f42248ad351cf6433189952b2ff59dd65097c3633fd7d92",
    "lzma/1:7": "d0f384e3ce48705d86a8daab093aa29a48eb76cbc85006f12f676389096a645f",
    "lzma/1:7e": "db1a49212e61fc3534bf1f2bae3caec065fdb7260949bcbd4c616b9fba31cc19",
    "lzma/1:8": "8cb3506a49130686a7d533cbfc072f4628c79460f022edab8af5c402210a93fe",
    "lzma/1:8e": "acec55776e94bb5f7f8a0c4c3cc3a5c8bc8ad6db4e0fa8773635dce5ce3bed80",
    "lzma/1:9": "305f2ad2a451b5ee112f518fcfb672102431c6178591d092e84a89d96357b028",
    "lzma/1:9e": "8bf70f8a802a4444c6812e0438bac464b3e024780310e01c0adee6d7fce9c9b9",
}


def is_encoder(name: str) -> bool:
    return _ENCODER.fullmatch(name) is not None


def encoders_for(dictionary: int) -> tuple[str, ...]:
    """Those that write this property byte."""
    levels = DICTIONARIES.get(dictionary, "")
    return tuple(f"{NAME}:{level}{extreme}" for extreme in ("", "e") for level in levels)


def dictionary_of(encoder: str) -> int:
    """LZMA2's property byte for the dictionary that `encoder` uses."""
    return next(byte for byte, levels in DICTIONARIES.items() if encoder[7] in levels)


def dictionary_size(byte: int) -> int:
    """In bytes (The .xz File Format 1.1.0, 5.3.1)."""
    return (2 | byte & 1) << byte // 2 + 11


def compressor(encoder: str, check: int) -> lzma.LZMACompressor:
    """One that writes an .xz file of one block."""
    preset = int(encoder[7]) | (lzma.PRESET_EXTREME if encoder.endswith("e") else 0)
    return lzma.LZMACompressor(lzma.FORMAT_XZ, check=check, preset=preset)


def compressed(chunks: Iterable[bytes], encoder: str, check: int) -> Iterator[bytes]:
    """An .xz file of one block, none where there is no content. It does not depend on where chunks are cut."""
    made = compressor(encoder, check)
    for chunk in chunks:
        if data := made.compress(chunk):
            yield data
    yield made.flush()


@cache
def check_lzma(encoder: str) -> None:
    """Compare this machine's liblzma with the golden vector of `encoder`. Raises TargetError that says how to go on."""
    made = b"".join(compressed(_sample(), encoder, lzma.CHECK_CRC32))
    found = hashlib.sha256(made).hexdigest()
    if found != _GOLDEN[encoder]:
        raise TargetError(
            "liblzma",
            f"this Python's lzma is not the encoder {encoder}",
            expected=_GOLDEN[encoder],
            found=found,
            hint="use a Python with the liblzma of XZ Utils; installing does not need it, only building, deltas and export do",
        )


@cache
def _sample() -> tuple[bytes, ...]:
    """Some 300 kB that repeat near and far, half a byte of noise each, so that presets differ."""
    lines: list[bytes] = []
    for number in range(6000):
        noise = hashlib.sha256(number.to_bytes(4, "big")).hexdigest().encode()
        far = lines[number * 7 % len(lines)] if lines else b""
        lines.append(b"%d %b %b\n" % (number % 97, noise[: number % 64], far[: number * 31 % 150]))
    return tuple(lines)
