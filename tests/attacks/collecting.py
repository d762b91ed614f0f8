"""What a local user left where `gc`, the lock and the recovery of an interrupted act look."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airlock.core.canonical_json import dumps
from airlock.formats.journal import Act, parse_journal, write_act
from tests.attacks.ground import Command, Ground, attack, run

_FAMILY = "Letting go, locks and acts under way"


def _two(ground: Ground) -> None:
    """A generation in use, and one that `gc` may let go."""
    code, said = run(ground.install(ground.next)[0])
    assert code == 0, said


def _gc(ground: Ground) -> list[Command]:
    return [*ground.at_site("gc", "--keep", "0"), *ground.at_site("gc", "--keep", "999999")]


def _moved(path: Path, elsewhere: Path) -> None:
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


def _becomes_a_link(ground: Ground, name: str) -> list[Command]:
    _two(ground)
    _moved(ground.site / name, ground.outside / Path(name).name)
    return ground.at_site("gc", "--keep", "0")


@attack(_FAMILY, "no link below a site is followed")
def gc_through_generations_that_are_a_link(ground: Ground) -> list[Command]:
    """the folder of generations became a link, through which `gc` would remove"""
    return _becomes_a_link(ground, "generations")


@attack(_FAMILY, "no link below a site is followed")
def gc_through_frames_that_are_a_link(ground: Ground) -> list[Command]:
    """the folder of frames became a link to a folder of others, in which nothing is needed"""
    _two(ground)
    shutil.rmtree(ground.site / "store" / "frames")
    (ground.site / "store" / "frames").symlink_to(ground.outside)
    return ground.at_site("gc", "--keep", "0")


@attack(_FAMILY, "no link below a site is followed")
def gc_through_records_that_are_a_link(ground: Ground) -> list[Command]:
    """the folder of records became a link"""
    return _becomes_a_link(ground, "state/generations")


@attack(_FAMILY, "deep")
def gc_of_folders_without_end(ground: Ground) -> list[Command]:
    """folders inside each other, deeper than any path of a bundle, in the generation to be let go"""
    _two(ground)
    here = os.open(ground.site / "generations" / "1", os.O_RDONLY)
    for _ in range(700):
        os.mkdir("d", dir_fd=here)
        inner = os.open("d", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = inner
    os.close(here)
    return ground.at_site("gc", "--keep", "0")


def _record(ground: Ground, change: Callable[[dict[str, Any]], object]) -> list[Command]:
    _two(ground)
    path = ground.site / "state" / "generations" / "1.json"
    document = json.loads(path.read_bytes())
    change(document)
    path.write_bytes(dumps(document))
    return ground.at_site("gc", "--keep", "999999")


@attack(_FAMILY, "path")
def gc_with_a_record_of_a_path_outside(ground: Ground) -> list[Command]:
    """the record of the generation before names files outside"""

    def change(document: dict[str, Any]) -> None:
        document["tree"][0]["path"] = "../../../outside/precious"

    return _record(ground, change)


@attack(_FAMILY, "index")
def gc_with_a_record_of_an_index_outside(ground: Ground) -> list[Command]:
    """the record of the generation before names an index outside"""
    return _record(ground, lambda document: document.update(index="sha256:../../outside/precious"))


@attack(_FAMILY, "not a link that airlock made")
def current_in_another_spelling(ground: Ground) -> list[Command]:
    """`current` leads to `generations/01`, which is another folder than that of generation 1"""
    _moved(ground.site / "generations" / "1", ground.outside / "1")
    (ground.site / "generations" / "1").unlink()
    shutil.copytree(ground.outside / "1", ground.site / "generations" / "1", symlinks=True)
    (ground.site / "generations" / "01").symlink_to(ground.outside / "1")
    (ground.site / "current").unlink()
    (ground.site / "current").symlink_to("generations/01")
    return [*ground.at_site("status"), *_gc(ground), *ground.install(ground.next)]


@attack(_FAMILY, "not a link that airlock made")
def current_leads_to_generation_0(ground: Ground) -> list[Command]:
    """`current` leads to `generations/0`, which stands for no generation"""
    (ground.site / "current").unlink()
    (ground.site / "current").symlink_to("generations/0")
    return [*ground.at_site("status"), *_gc(ground), *ground.install(ground.next)]


def _under_way(ground: Ground, change: Callable[[Act], dict[str, object]]) -> list[Command]:
    """The note of an act under way that never was."""
    from dataclasses import replace

    _two(ground)
    acts = parse_journal((ground.site / "state/journal.jsonl").read_bytes(), "journal").acts
    act = replace(acts[-1], **change(acts[-1]))  # type: ignore[arg-type]
    (ground.site / "state" / "switch.json").write_bytes(write_act(act))
    return [*ground.at_site("rollback"), *ground.at_site("gc", "--keep", "0")]


@attack(_FAMILY, "not an act that was under way")
def switch_under_way_to_be_reverted(ground: Ground) -> list[Command]:
    """a note says that a switch which never was has to be taken back, to an older generation"""
    return _under_way(ground, lambda last: {"outcome": "reverted", "before": 1, "after": 3})


@attack(_FAMILY, "not an act that was under way")
def switch_under_way_from_a_generation_that_is_not(ground: Ground) -> list[Command]:
    """a note says that a switch has to be taken back to a generation that is not there"""
    return _under_way(ground, lambda last: {"outcome": "reverted", "before": 77, "after": 78})


@attack(_FAMILY, "not an act that was under way")
def switch_under_way_from_nothing(ground: Ground) -> list[Command]:
    """a note says that a switch has to be taken back to nothing at all"""
    return _under_way(ground, lambda last: {"outcome": "reverted", "before": 0, "after": 3})


@attack(_FAMILY, "not an act that was under way")
def switch_under_way_without_an_index(ground: Ground) -> list[Command]:
    """a note of a switch that does not say to what"""
    return _under_way(ground, lambda last: {"outcome": "", "before": 2, "after": 3, "index": None})


@attack(_FAMILY, "not an act that was under way")
def switch_under_way_by_another_act(ground: Ground) -> list[Command]:
    """a note says that verifying was about to switch"""
    return _under_way(ground, lambda last: {"act": "verify", "outcome": "", "before": 2, "after": 3})


@attack(_FAMILY, "a link, or not a regular file")
def switch_under_way_is_a_pipe(ground: Ground) -> list[Command]:
    """a named pipe in the place of the note of an act under way"""
    os.mkfifo(ground.site / "state" / "switch.json")
    return [*ground.install(ground.next), *ground.at_site("gc"), *ground.at_site("status")]


@attack(_FAMILY, "a link, or not a regular file")
def switch_under_way_is_a_link(ground: Ground) -> list[Command]:
    """a link in the place of the note of an act under way"""
    (ground.site / "state" / "switch.json").symlink_to(ground.outside / "precious")
    return [*ground.install(ground.next), *ground.at_site("gc"), *ground.at_site("status")]


def _lock(ground: Ground, put: Callable[[Path], object]) -> list[Command]:
    path = ground.site / "state" / "lock"
    path.unlink()
    put(path)
    return [*ground.install(ground.next), *ground.at_site("rollback"), *ground.at_site("gc")]


@attack(_FAMILY, "lock")
def lock_becomes_a_pipe(ground: Ground) -> list[Command]:
    """a named pipe in the place of the lock"""
    return _lock(ground, os.mkfifo)


@attack(_FAMILY, "lock")
def lock_becomes_a_folder(ground: Ground) -> list[Command]:
    """a folder in the place of the lock"""
    return _lock(ground, Path.mkdir)
