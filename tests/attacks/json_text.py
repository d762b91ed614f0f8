"""JSON that two readers take for two things, or that takes a reader apart. A signer may have signed it."""

from collections.abc import Callable

from airlock.storage.frames import DEFAULT_LEVEL
from tests.attacks.ground import Command, Ground, attack

_FAMILY = "JSON"
LEVEL = b'"level":%d' % DEFAULT_LEVEL


def _edited(ground: Ground, edit: Callable[[bytes], bytes]) -> list[Command]:
    return ground.everywhere(ground.resigned(edit))


def _replacing(ground: Ground, old: bytes, new: bytes) -> list[Command]:
    def edit(data: bytes) -> bytes:
        assert old in data
        return data.replace(old, new, 1)

    return _edited(ground, edit)


@attack(_FAMILY, "a key stands twice")
def json_with_a_key_twice(ground: Ground) -> list[Command]:
    """a key stands twice in one object"""
    return _replacing(ground, b'"format":', b'"format":"airlock-bundle/9","format":')


@attack(_FAMILY, "a key stands twice")
def json_with_an_escaped_key_twice(ground: Ground) -> list[Command]:
    """a key stands twice, once spelled with an escape"""
    return _replacing(ground, b'"format":', b'"form\\u0061t":"x","format":')


@attack(_FAMILY, "not an integer")
def json_with_a_float(ground: Ground) -> list[Command]:
    """a size is a float"""
    return _replacing(ground, LEVEL, b'"level":9.0')


@attack(_FAMILY, "not an integer")
def json_with_an_exponent(ground: Ground) -> list[Command]:
    """a number has an exponent that makes it infinite"""
    return _replacing(ground, LEVEL, b'"level":1e999')


@attack(_FAMILY, "not an integer")
def json_with_nan(ground: Ground) -> list[Command]:
    """NaN, which Python reads and JSON does not have"""
    return _replacing(ground, LEVEL, b'"level":NaN')


@attack(_FAMILY, "not canonical JSON")
def json_with_a_huge_number(ground: Ground) -> list[Command]:
    """a number of a million digits"""
    return _replacing(ground, LEVEL, b'"level":' + b"9" * 1_000_000)


@attack(_FAMILY, "expected a number from")
def json_with_a_number_out_of_range(ground: Ground) -> list[Command]:
    """a size beyond what any artifact may declare"""
    return _edited(ground, lambda data: data.replace(b'"size":', b'"size":99999999999999999', 1))


@attack(_FAMILY, "expected a number from")
def json_with_a_negative_number(ground: Ground) -> list[Command]:
    """a size below zero"""
    return _edited(ground, lambda data: data.replace(b'"size":', b'"size":-', 1))


@attack(_FAMILY, "expected a whole number")
def json_with_true_for_a_number(ground: Ground) -> list[Command]:
    """true in the place of a number, which Python takes for 1"""
    return _replacing(ground, LEVEL, b'"level":true')


@attack(_FAMILY, "not canonical JSON")
def json_in_utf_16(ground: Ground) -> list[Command]:
    """the index in UTF-16, which Python's reader guesses"""
    return _edited(ground, lambda data: data.decode().encode("utf-16"))


@attack(_FAMILY, "not canonical JSON")
def json_in_utf_32_without_a_mark(ground: Ground) -> list[Command]:
    """the index in UTF-32, without a byte order mark"""
    return _edited(ground, lambda data: data.decode().encode("utf-32-le"))


@attack(_FAMILY, "not canonical JSON")
def json_with_a_byte_order_mark(ground: Ground) -> list[Command]:
    """a byte order mark in front"""
    return _edited(ground, lambda data: b"\xef\xbb\xbf" + data)


@attack(_FAMILY, "not canonical JSON")
def json_with_a_lone_surrogate(ground: Ground) -> list[Command]:
    """half of a character"""
    return _replacing(ground, b'"gateway"', b'"gate\\ud800"')


@attack(_FAMILY, "not canonical JSON")
def json_in_broken_utf_8(ground: Ground) -> list[Command]:
    """an overlong spelling of a slash"""
    return _replacing(ground, b'"gateway"', b'"gate\xc0\xaf"')


@attack(_FAMILY, "recursion", confined=True)
def json_nested_deeply(ground: Ground) -> list[Command]:
    """a million arrays inside each other"""
    return _edited(ground, lambda data: b"[" * 1_000_000)


@attack(_FAMILY, "not canonical JSON")
def json_with_more_behind(ground: Ground) -> list[Command]:
    """a second document behind the first"""
    return _edited(ground, lambda data: data + data)


@attack(_FAMILY, "not canonical JSON")
def json_with_white_space(ground: Ground) -> list[Command]:
    """white space, so that one content has two digests"""
    return _edited(ground, lambda data: data.replace(b",", b", "))


@attack(_FAMILY, "not canonical JSON")
def json_without_its_newline(ground: Ground) -> list[Command]:
    """the last byte is missing"""
    return _edited(ground, lambda data: data[:-1])


@attack(_FAMILY, "unknown key")
def json_with_an_unknown_key(ground: Ground) -> list[Command]:
    """a key that this version does not know and another might obey"""
    return _replacing(ground, b'{"artifacts":', b'{"allow-unsigned":true,"artifacts":')


@attack(_FAMILY, "unknown bundle format")
def json_of_another_format(ground: Ground) -> list[Command]:
    """a later format, of which only a part would be understood"""
    return _replacing(ground, b"airlock-bundle/1", b"airlock-bundle/2")


@attack(_FAMILY, "unknown key", confined=True)
def json_with_an_endless_key(ground: Ground) -> list[Command]:
    """an unknown key of twenty megabytes, for which a hint would be looked for"""
    return _replacing(ground, b'"project":{', b'"%s":1,"project":{' % (b"k" * (20 << 20)))


@attack(_FAMILY, "too many values", confined=True)
def json_of_empty_objects(ground: Ground) -> list[Command]:
    """twenty million empty objects, which take fifty times the room of their text"""
    return _edited(ground, lambda data: b"[" + b"{}," * 20_000_000 + b"{}]\n")


@attack(_FAMILY, "too large")
def json_too_large(ground: Ground) -> list[Command]:
    """an index of more than 64 MB"""
    return _edited(ground, lambda data: b'"' + b"a" * (64 << 20) + b'"\n')


@attack(_FAMILY, "holds a NUL")
def health_check_with_a_nul(ground: Ground) -> list[Command]:
    """a health check that no system can start, noticed only after the switch"""
    return _replacing(
        ground, b'"project":', b'"health":{"command":["true","\\u0000"],"timeout":5},"project":'
    )
