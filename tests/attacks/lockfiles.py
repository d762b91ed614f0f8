"""A hostile lock on the near side: in a change that somebody proposes, or beside a project that was cloned."""

from dataclasses import replace

from airlock.core.artifact import Artifact, Project
from airlock.core.codecs import PORTABLE
from airlock.core.digest import digest_of
from airlock.formats.lockfile import LockedArtifact, Lockfile, write_lockfile
from airlock.storage.frames import DEFAULT_LEVEL, this_encoder
from tests.attacks.ground import Command, Ground, attack
from tests.far.bundles import TARGET, file_item

_FAMILY = "Lockfiles"
SECRET = b"nobody touches this"


def _lock(artifact: Artifact) -> bytes:
    lockfile = Lockfile(
        project=Project(name="gateway", version="1.0"),
        encoder=this_encoder(DEFAULT_LEVEL, PORTABLE),
        inputs={},
        targets=(TARGET,),
        health=None,
        artifacts=(LockedArtifact(artifact=artifact, targets=(TARGET.name,)),),
    )
    return write_lockfile(lockfile)


def _file(**origin: str) -> Artifact:
    return replace(file_item("share/a", SECRET).artifact, origin=origin)


def _commands(ground: Ground, lock: bytes) -> list[Command]:
    folder = ground.machine / "project"
    folder.mkdir()
    path = folder / "airlock.lock"
    path.write_bytes(lock)
    return [("fetch", "--lock", str(path)), ("build", "--lock", str(path))]


@attack(_FAMILY, "unsafe path")
def lock_with_a_path_outside(ground: Ground) -> list[Command]:
    """a lock takes a file from outside of the project"""
    return _commands(ground, _lock(_file(path="../outside/precious")))


@attack(_FAMILY, "unsafe path")
def lock_with_an_absolute_path(ground: Ground) -> list[Command]:
    """a lock takes a file by its absolute path"""
    return _commands(ground, _lock(_file(path=str(ground.outside / "precious"))))


@attack(_FAMILY, "leads out of the manifest's directory")
def lock_with_a_link_outside(ground: Ground) -> list[Command]:
    """a lock takes a file by a link that leads out of the project"""
    commands = _commands(ground, _lock(_file(path="files")))
    (ground.machine / "project" / "files").symlink_to(ground.outside / "precious")
    return commands


@attack(_FAMILY, "names a source tree that is outside")
def lock_with_a_source_outside(ground: Ground) -> list[Command]:
    """a lock has another tree built, which runs its code"""
    artifact = replace(
        file_item("share/a", SECRET).artifact, kind="wheel", name="evil", version="1.0", placement={}
    )
    named = replace(
        artifact, file="evil-1.0-py3-none-any.whl", origin={"source": "../outside", "python": "3.11"}
    )
    return _commands(ground, _lock(named))


@attack(_FAMILY, "not a URL to fetch from")
def lock_with_a_file_url(ground: Ground) -> list[Command]:
    """a lock takes a file of the machine by its URL"""
    return _commands(ground, _lock(_file(url=f"file://{ground.outside}/precious")))


@attack(_FAMILY, "not a URL to fetch from")
def lock_with_a_password_in_a_url(ground: Ground) -> list[Command]:
    """a lock sends a password along"""
    return _commands(ground, _lock(_file(url="https://user:secret@index.invalid/a")))


@attack(_FAMILY, "neither a path nor a url")
def lock_without_an_origin(ground: Ground) -> list[Command]:
    """a file of which nobody knows where it is"""
    return _commands(ground, _lock(_file()))


@attack(_FAMILY, "unsafe path")
def lock_with_a_file_name_outside(ground: Ground) -> list[Command]:
    """the file name of an artifact is a path"""
    return _commands(ground, _lock(replace(_file(path="a"), file="../a")))


@attack(_FAMILY, "expected lower case letters")
def lock_with_a_project_outside(ground: Ground) -> list[Command]:
    """the project's name, of which the bundle's is made, is a path"""
    lock = _lock(_file(path="a")).replace(b'name = "gateway"', b'name = "../../gateway"')
    return _commands(ground, lock)


@attack(_FAMILY, "not valid TOML")
def lock_with_a_key_twice(ground: Ground) -> list[Command]:
    """a key stands twice"""
    return _commands(ground, _lock(_file(path="a")) + b"\n[project]\nname = 'evil'\n")


@attack(_FAMILY, "is pinned twice")
def lock_with_a_pin_twice(ground: Ground) -> list[Command]:
    """an artifact is pinned twice for one target, a review seeing one"""
    lock = _lock(_file(path="a")).decode().splitlines()
    row = next(line for line in lock if "share/a" in line)
    lock.insert(lock.index(row), row.replace(str(len(SECRET)), "7"))
    return _commands(ground, "\n".join(lock).encode())


@attack(_FAMILY, "not valid TOML")
def lock_in_another_encoding(ground: Ground) -> list[Command]:
    """a lock in UTF-16"""
    return _commands(ground, _lock(_file(path="a")).decode().encode("utf-16"))


@attack(_FAMILY, "not valid TOML", confined=True)
def lock_nested_deeply(ground: Ground) -> list[Command]:
    """arrays inside each other, a hundred thousand times"""
    return _commands(ground, b"version = " + b"[" * 100_000)


@attack(_FAMILY, "too large", confined=True)
def lock_too_large(ground: Ground) -> list[Command]:
    """a lock of more than 64 MB"""
    return _commands(ground, b"# " + b"a" * (65 << 20))


@attack(_FAMILY, "the file changed since it was locked")
def lock_with_another_digest(ground: Ground) -> list[Command]:
    """a file whose bytes are not what the lock says"""
    artifact = replace(_file(path="a"), digest=digest_of(b"other"))
    commands = _commands(ground, _lock(artifact))
    (ground.machine / "project" / "a").write_bytes(SECRET)
    return commands


@attack(_FAMILY, "control character")
def lock_with_a_name_that_a_terminal_obeys(ground: Ground) -> list[Command]:
    """a version that clears the screen while it is fetched"""
    return _commands(ground, _lock(replace(_file(path="a"), version="1.0\x1b[2J")))
