"""The dossier as one page of HTML that needs nothing else."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from airlock.airgapped.dossier.facts import UNKNOWN, Dossier, Item
from airlock.airgapped.dossier.treemap import Tile, treemap
from airlock.airgapped.dossier.words import audited, counted, runs, standing, told, verdicts
from airlock.airgapped.pages import page
from airlock.airgapped.pages.acts import row_of
from airlock.core.plain import human_size
from airlock.formats.trust import short_form

_MOODS = {"added": "care", "removed": "", "upgraded": "good", "downgraded": "bad", "changed": ""}
_COLORS = 6
_TILES = 120
"""The rest are one tile: nobody could see them."""


class Canvas(NamedTuple):
    """Sizes are in the units of the picture."""

    name: str
    width: int
    height: int
    font: int
    small: int


_CANVASES = (Canvas("wide", 1000, 420, 15, 12), Canvas("narrow", 360, 460, 13, 11))
_FEWEST = 5
"""Letters of a label that was cut."""
_LETTER = 0.58
"""How wide a letter is, to its height."""


def dossier_page(dossier: Dossier) -> str:
    kinds = sorted({item.artifact.kind for item in dossier.items})
    return page(
        "dossier.html.j2",
        d=dossier,
        verdict=verdicts(dossier),
        aloud=short_form(dossier.index),
        counted=counted(dossier),
        runs=list(runs(dossier)),
        moods=_MOODS,
        audited=audited(dossier) if dossier.audit else "",
        findings=list(_findings(dossier)),
        notes=dossier.audit.counts()["note"] if dossier.audit else 0,
        maps=[_map(dossier, kinds, canvas) for canvas in _CANVASES],
        legend=list(_legend(dossier.items, kinds)),
        unknown=UNKNOWN,
        acts=[row_of(act) for act in dossier.acts],
    )


def _findings(dossier: Dossier) -> Iterator[dict[str, str]]:
    """What is graver than a note, and what is settled."""
    for one in told(dossier):
        state, mood = standing(one)
        fields = ("message", "rule", "reason", "artifact", "path")
        yield {name: getattr(one, name) for name in fields} | {"state": state, "mood": mood}


def _legend(items: Sequence[Item], kinds: Sequence[str]) -> Iterator[dict[str, Any]]:
    for number, kind in enumerate(kinds):
        sizes = [item.carried for item in items if item.artifact.kind == kind]
        yield {"color": number % _COLORS, "kind": kind, "count": len(sizes), "size": sum(sizes)}


def _map(dossier: Dossier, kinds: Sequence[str], canvas: Canvas) -> dict[str, Any]:
    ranked = sorted(dossier.items, key=lambda item: (-item.carried, item.artifact.key))
    shown, rest = ranked[:_TILES], sum(item.carried for item in ranked[_TILES:])
    changed = {(change.kind, change.name) for change in dossier.changes}
    tiles = []
    for tile in treemap([*(item.carried for item in shown), rest], canvas.width, canvas.height):
        name, size = f"{len(ranked) - _TILES} others", human_size(rest)
        about = {"title": f"{name}, {size}", "color": str(_COLORS - 1), "same": ""}
        if tile.number < len(shown):
            artifact, size = shown[tile.number].artifact, human_size(shown[tile.number].carried)
            same = bool(dossier.since) and artifact.key not in changed
            color = str(kinds.index(artifact.kind) % _COLORS)
            name = artifact.name
            about = {"title": f"{artifact.label}, {size}", "color": color, "same": " same" if same else ""}
        tiles.append(_drawn(tile, name, size, canvas) | about)
    return canvas._asdict() | {"tiles": tiles}


def _drawn(tile: Tile, label: str, size: str, canvas: Canvas) -> dict[str, str]:
    """Numbers as text, in the picture's units; as much of a label as fits."""
    width, height = tile.width / 100 - 12, tile.height / 100
    font, small = canvas.font, canvas.small
    label = _cut(label, int(width / (font * _LETTER))) if height > font + 10 else ""
    both = label and height > font + small + 18 and width > len(size) * small * _LETTER
    return {
        "x": _unit(tile.x),
        "y": _unit(tile.y),
        "width": _unit(tile.width),
        "height": _unit(tile.height),
        "left": _unit(tile.x + 700),
        "line": _unit(tile.y + 100 * (font + 4)),
        "second": _unit(tile.y + 100 * (font + small + 8)),
        "label": label,
        "size": size if both else "",
    }


def _cut(label: str, letters: int) -> str:
    if len(label) <= letters:
        return label
    return f"{label[: letters - 1]}…" if letters >= _FEWEST else ""


def _unit(hundredths: int) -> str:
    return f"{hundredths // 100}.{hundredths % 100:02}"
