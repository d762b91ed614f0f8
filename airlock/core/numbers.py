"""Unsigned LEB128 numbers below 2^63, and signed ones as zigzag, as the streams of a delta spell them."""

from collections.abc import Iterator


def leb128(number: int) -> bytes:
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


def zigzag(number: int) -> int:
    return number << 1 if number >= 0 else ~number << 1 | 1


def signed(number: int) -> int:
    """What `zigzag` made."""
    return (number >> 1) ^ -(number & 1)


def numbers(data: bytes) -> Iterator[int]:
    """All numbers of some bytes. Raises ValueError where one is cut off or too large."""
    number = shift = 0
    for byte in data:
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            yield number
            number = shift = 0
        elif (shift := shift + 7) > 56:
            raise ValueError("a number is too large")
    if shift:
        raise ValueError("a number is cut off")


class Numbers:
    """Numbers to be taken one by one, within limits. Every method raises ValueError."""

    def __init__(self, data: bytes) -> None:
        self._numbers = numbers(data)
        self._next = next(self._numbers, None)

    @property
    def ended(self) -> bool:
        return self._next is None

    def take(self) -> int:
        if (number := self._next) is None:
            raise ValueError("a number is cut off")
        self._next = next(self._numbers, None)
        return number

    def within(self, limit: int) -> int:
        if (number := self.take()) > limit:
            raise ValueError("a number is larger than what it counts")
        return number
