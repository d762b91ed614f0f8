"""`python -m tests.attacks`: the list of all attacks, as it stands in `docs/threat-model.md`."""

from itertools import groupby

from tests.attacks import families
from tests.attacks.ground import ATTACKS

assert families


def listed() -> str:
    """Families in the order of their names, attacks in the order in which they are written."""
    lines: list[str] = []
    attacks = sorted(ATTACKS.values(), key=lambda attack: attack.family)
    for family, those in groupby(attacks, key=lambda attack: attack.family):
        lines += [f"**{family}**", "", *(f"- `{attack.name}`: {attack.what}" for attack in those), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    print(listed())
