"""Text from outside, as a terminal may have it."""


def plain(text: str) -> str:
    """`text` on one line, with everything that a terminal might obey, or that would turn its direction, spelt out."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)
