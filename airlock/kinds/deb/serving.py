"""The repository of the mode `system`, for apt on other machines: a flat archive below the folder that the generation has it in."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from airlock.kinds.deb.rows import placed
from airlock.kinds.deb.section import SYSTEM
from airlock.kinds.serving import Holding, Offer

_DEB = "application/vnd.debian.binary-package"
_TEXT = "text/plain; charset=utf-8"


def served(holdings: Sequence[Holding]) -> Mapping[str, Offer]:
    """As apt asks for it, `/debs/InRelease` and so on. The index is that of the generation in use, or of the newest that has one;
    packages of older generations, which it does not name, are there too. Raises IntegrityError."""
    offers: dict[str, Offer] = {}
    for holding in holdings:
        mode, folder = placed(holding.artifact)
        if mode == SYSTEM:
            media = _DEB if holding.artifact.version else _TEXT
            for path, file in holding.files.items():
                # apt asks for what its source says, `./`, and for what the index says, as they are written
                for spelt in (f"/{path}", f"/{folder}/./{path.removeprefix(f'{folder}/')}"):
                    offers.setdefault(spelt, Offer(body=replace(file, media=media)))
    return offers
