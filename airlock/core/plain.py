"""Text for people: what comes from outside, as a terminal may have it, and sizes."""


def plain(text: str) -> str:
    """`text` on one line, with everything that a terminal might obey, or that would turn its direction, spelt out."""
    return "".join(character if character.isprintable() else ascii(character)[1:-1] for character in text)


def human_size(size: int) -> str:
    """Decimal units, as media are sold: `4.2 MB`."""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
