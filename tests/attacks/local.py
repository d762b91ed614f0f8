"""What a local user, or a program with a fault, did to the site itself."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

from airlock.core.canonical_json import dumps
from tests.attacks.ground import Command, Ground, Keys, attack

_FAMILY = "The site's own state"
_LINKS = "Links"


def _then(ground: Ground) -> list[Command]:
    """What an operator does next."""
    return [*ground.install(ground.next), *ground.update(ground.delta), *ground.at_site("rollback")]


def _moved(path: Path, elsewhere: Path) -> None:
    """A folder or file moved away, and a link to it left behind."""
    shutil.move(path, elsewhere)
    path.symlink_to(elsewhere)


@attack(_LINKS, "no link below a site is followed")
def generations_become_a_link(ground: Ground) -> list[Command]:
    """the folder of generations became a link, through which later writes would pass"""
    _moved(ground.site / "generations", ground.outside / "generations")
    return [*ground.install(ground.next), *ground.update(ground.delta)]


@attack(_LINKS, "no link below a site is followed")
def state_becomes_a_link(ground: Ground) -> list[Command]:
    """the folder of the site's records became a link"""
    _moved(ground.site / "state", ground.outside / "state")
    return _then(ground)


@attack(_LINKS, "no link below a site is followed")
def store_becomes_a_link(ground: Ground) -> list[Command]:
    """the site's store became a link"""
    _moved(ground.site / "store", ground.outside / "store")
    return [*ground.install(ground.next), *ground.update(ground.delta)]


@attack(_LINKS, "no link below a site is followed")
def frames_become_a_link(ground: Ground) -> list[Command]:
    """a folder inside the store became a link"""
    _moved(ground.site / "store" / "frames", ground.outside / "frames")
    return [*ground.install(ground.next), *ground.update(ground.delta)]


@attack(_LINKS, "a link, or not a regular file")
def lock_becomes_a_link(ground: Ground) -> list[Command]:
    """the lock file became a link to what belongs to others"""
    (ground.site / "state" / "lock").unlink()
    (ground.site / "state" / "lock").symlink_to(ground.outside / "precious")
    return _then(ground)


@attack(_LINKS, "a link, or not a regular file")
def trust_root_becomes_a_link(ground: Ground) -> list[Command]:
    """the pinned trust root became a link"""
    _moved(ground.site / "state" / "trust" / "root.json", ground.outside / "root.json")
    return [*ground.install(ground.next), *ground.update(ground.delta)]


@attack(_LINKS, "a link, or not a regular file")
def record_becomes_a_link(ground: Ground) -> list[Command]:
    """the record of a generation became a link"""
    _moved(ground.site / "state" / "generations" / "1.json", ground.outside / "1.json")
    return [*_then(ground), *ground.at_site("status")]


@attack(_LINKS, "not a link that airlock made")
def current_leads_elsewhere(ground: Ground) -> list[Command]:
    """`current` leads out of the site"""
    (ground.site / "current").unlink()
    (ground.site / "current").symlink_to(ground.outside)
    return [*_then(ground), *ground.at_site("status")]


@attack(_LINKS, "not a link that airlock made")
def current_climbs_out(ground: Ground) -> list[Command]:
    """`current` leads out of the site by way of the folder of generations"""
    (ground.site / "current").unlink()
    (ground.site / "current").symlink_to("generations/../../outside")
    return _then(ground)


@attack(_LINKS, "not a link that airlock made")
def current_is_a_file(ground: Ground) -> list[Command]:
    """a file in the place of `current`"""
    (ground.site / "current").unlink()
    (ground.site / "current").write_bytes(b"generations/1")
    return _then(ground)


@attack(_LINKS, "not a link that airlock made")
def current_is_a_folder(ground: Ground) -> list[Command]:
    """a folder in the place of `current`"""
    (ground.site / "current").unlink()
    (ground.site / "current").mkdir()
    return _then(ground)


def _record(ground: Ground, edit: Callable[[dict[str, Any]], object]) -> list[Command]:
    path = ground.site / "state" / "generations" / "1.json"
    document = json.loads(path.read_bytes())
    edit(document)
    path.write_bytes(dumps(document))
    return [*_then(ground), *ground.at_site("status")]


@attack(_FAMILY, "unsafe path")
def record_with_a_path_outside(ground: Ground) -> list[Command]:
    """a generation's record names a file outside"""
    return _record(ground, lambda document: document["tree"][0].update(path="../../../outside/precious"))


@attack(_FAMILY, "record of another generation")
def record_of_another_number(ground: Ground) -> list[Command]:
    """a generation's record says that it is another's"""
    return _record(ground, lambda document: document.update(number=7))


@attack(_FAMILY, "expected a number from")
def record_with_a_number_out_of_range(ground: Ground) -> list[Command]:
    """a generation's record leads to a generation beyond all numbers"""
    return _record(ground, lambda document: document.update(content=1 << 50))


@attack(_FAMILY, "not canonical JSON")
def record_cut_short(ground: Ground) -> list[Command]:
    """a generation's record was cut"""
    path = ground.site / "state" / "generations" / "1.json"
    path.write_bytes(path.read_bytes()[:100])
    return _then(ground)


@attack(_FAMILY, "not a regular file")
def record_becomes_a_pipe(ground: Ground) -> list[Command]:
    """a named pipe in the place of a record, for which a reader would wait for ever"""
    path = ground.site / "state" / "generations" / "1.json"
    path.unlink()
    os.mkfifo(path)
    return [*_then(ground), *ground.at_site("status")]


@attack(_FAMILY, "not a regular file")
def trust_root_becomes_a_pipe(ground: Ground) -> list[Command]:
    """a named pipe in the place of the pinned trust root"""
    path = ground.site / "state" / "trust" / "root.json"
    path.unlink()
    os.mkfifo(path)
    return [*ground.install(ground.next), *ground.update(ground.delta)]


@attack(_FAMILY, "not signed by enough trusted keys")
def trust_root_of_somebody_else(ground: Ground) -> list[Command]:
    """the pinned trust root was replaced by another"""
    (ground.site / "state" / "trust" / "root.json").write_bytes(Keys().root)
    return [*ground.install(ground.next), *ground.update(ground.delta)]


@attack(_FAMILY, "not TUF root metadata")
def trust_root_of_junk(ground: Ground) -> list[Command]:
    """the pinned trust root is damaged"""
    (ground.site / "state" / "trust" / "root.json").write_bytes(b"{}")
    return [*ground.install(ground.next), *ground.update(ground.delta)]


@attack(_FAMILY, "not the index that was installed")
def index_edited_at_the_site(ground: Ground) -> list[Command]:
    """the index that the site keeps was given another health check"""
    (path,) = (ground.site / "store" / "indexes").iterdir()
    document = json.loads(path.read_bytes())
    document["health"] = {"command": ["touch", str(ground.outside / "planted")], "timeout": 5}
    path.write_bytes(dumps(document))
    return ground.at_site("status")


@attack(_FAMILY, "not canonical JSON")
def journal_of_junk(ground: Ground) -> list[Command]:
    """a line of the journal is damaged"""
    path = ground.site / "state" / "journal.jsonl"
    path.write_bytes(path.read_bytes() + b"junk\n")
    return [*_then(ground), *ground.at_site("history")]


@attack(_FAMILY, "time")
def journal_beyond_the_calendar(ground: Ground) -> list[Command]:
    """an act in the journal at a time that no calendar has"""
    path = ground.site / "state" / "journal.jsonl"
    *before, last = path.read_bytes().splitlines()
    line = dumps(json.loads(last) | {"time": (1 << 53) - 1})
    path.write_bytes(b"".join(one + b"\n" for one in before) + line)
    return ground.at_site("history")


@attack(_FAMILY, "files are not what was installed")
def files_changed_in_a_generation(ground: Ground) -> list[Command]:
    """a file of the generation to go back to was changed"""
    from tests.attacks.ground import run

    assert run(ground.install(ground.next)[0])[0] == 0
    module = next((ground.site / "generations" / "1").rglob("site-packages/demo/__init__.py"))
    module.unlink()
    module.write_bytes(b"evil\n")
    return ground.at_site("rollback")


@attack(_FAMILY, "frames/")
def frame_changed_in_the_store(ground: Ground) -> list[Command]:
    """a frame that the next delta starts from was changed"""
    from tests.attacks.ground import patches_between

    rows, _ = patches_between(ground.base, ground.next)
    for path in (ground.site / "store" / "frames").iterdir():
        path.write_bytes(path.read_bytes()[:-1] + b"\x00")
    assert rows
    return ground.update(ground.delta)


@attack(_FAMILY, "not a regular file")
def frame_becomes_a_pipe(ground: Ground) -> list[Command]:
    """named pipes in the place of what the next delta starts from"""
    for path in (ground.site / "store" / "frames").iterdir():
        path.unlink()
        os.mkfifo(path)
    return ground.update(ground.delta)


@attack(_FAMILY, "switch.json")
def interrupted_act_of_junk(ground: Ground) -> list[Command]:
    """the note of an act that is under way is damaged"""
    (ground.site / "state" / "switch.json").write_bytes(b"{}\n")
    return _then(ground)
