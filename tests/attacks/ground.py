"""The machine that is attacked: a site with a release installed, media beside it, and the keys of an honest sender."""

import contextlib
import hashlib
import io
import os
import shutil
import stat
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from securesystemslib.signer import CryptoSigner
from tuf.api.metadata import Metadata, TargetFile, Targets

from airlock.cli import main
from airlock.connected.trust import make_root
from airlock.core.artifact import Artifact
from airlock.core.binary_delta import STREAMS
from airlock.core.binary_diff import Streams, make_patch
from airlock.core.digest import Digest, digest_of
from airlock.core.pieces import Base
from airlock.formats.delta_index import DeltaIndex, Keep, Origin, Patch, Row, write_delta_index
from airlock.formats.index import frame_name, parse_index
from airlock.formats.trust import moment, write_metadata
from airlock.storage.delta_streams import member_name, packed
from airlock.storage.frames import decompress_whole
from tests.far.bundles import (
    NOW,
    Item,
    archive_of,
    bundle,
    file_item,
    members_in,
    signer,
    wheel,
    wheel_item,
)

COUNTER = 100
"""The release counter of what is installed; hostile files have a higher one, so that nothing else is wrong with them."""
NOT_STATE = ("site/state/lock", "site/state/journal.jsonl")
"""The note in the lock file of who works at the site, which decides nothing; and the journal, which tells the refusal."""
TARGETS = "trust/targets.json"
TEXT = b"".join(
    b"%d: the pump of line %d is open\n" % (number, number * number % 89) for number in range(300)
)
Members = dict[str, bytes]
Command = Sequence[str]


def demo(version: str = "1.0", files: Mapping[str, bytes] | None = None, entry_points: str = "") -> Item:
    """An honest wheel, with more files in it."""
    code = f"VERSION = {version!r}\n\n\ndef main():\n    print('demo')\n".encode()
    contents = {"demo/__init__.py": code, "demo/text.txt": TEXT + version.encode()} | dict(files or {})
    scripts = entry_points or "[console_scripts]\ndemo = demo:main\n"
    return wheel_item("demo", version, wheel("demo", version, contents, scripts))


def config_item(destination: str, data: bytes, mode: str = "0644") -> Item:
    item = file_item(destination, data, mode)
    return replace(item, artifact=replace(item.artifact, kind="config"))


def items(version: str) -> list[Item]:
    return [
        demo(version),
        wheel_item("other", "1.0", wheel("other", "1.0", {"other.py": TEXT})),
        file_item("share/banner.txt", b"welcome\n" * 20),
        config_item("etc/app.toml", f"version = '{version}'\n".encode()),
    ]


@dataclass(frozen=True)
class Keys:
    """An honest sender's: two release keys, one of which signs, and a trust root."""

    root_key: CryptoSigner = field(default_factory=signer)
    release: CryptoSigner = field(default_factory=signer)
    second: CryptoSigner = field(default_factory=signer)
    threshold: int = 1

    @property
    def root(self) -> bytes:
        keys = [self.release.public_key, self.second.public_key]
        return make_root(self.root_key, keys, self.threshold, NOW + 10_000)

    @property
    def signers(self) -> list[CryptoSigner]:
        return [self.release, self.second][: self.threshold]

    def targets(
        self, index: bytes, counter: int = COUNTER + 100, path: str | None = None
    ) -> Metadata[Targets]:
        """A statement over any bytes, unsigned."""
        name = path or "gateway-2.0-plant/index.json"
        target = TargetFile.from_data(name, index, ["sha256"])
        signed = Targets(version=counter, expires=moment(NOW + 5000), targets={name: target})
        return Metadata(signed)

    def sign(
        self, members: Mapping[str, bytes], counter: int = COUNTER + 100, path: str | None = None
    ) -> Members:
        """The members with the sender's signatures over their index, whatever that says."""
        metadata = self.targets(members["index.json"], counter, path)
        for key in self.signers:
            metadata.sign(key, append=True)
        return with_targets(members, write_metadata(metadata))


def with_targets(members: Mapping[str, bytes], targets: bytes) -> Members:
    rest = {name: data for name, data in members.items() if name not in ("index.json", TARGETS)}
    return {"index.json": members["index.json"], TARGETS: targets, **rest}


@dataclass
class Ground:
    """One machine, everything of it below `machine`."""

    machine: Path
    keys: Keys
    base: bytes
    """The signed bundle that is installed."""
    next: bytes
    """The signed bundle of the release after it."""
    delta: bytes
    """From the one to the other."""

    @property
    def site(self) -> Path:
        return self.machine / "site"

    @property
    def outside(self) -> Path:
        """What belongs to others."""
        return self.machine / "outside"

    def put(self, name: str, data: bytes) -> str:
        path = self.machine / "media" / name
        path.write_bytes(data)
        return str(path)

    def signed(self, contents: Iterable[Item]) -> bytes:
        """A bundle that an attacker with the release key made of wheels and files."""
        return archive_of(self.keys.sign(members_in(bundle(list(contents), version="2.0"))))

    def resigned(self, edit: Callable[[bytes], bytes]) -> bytes:
        """The next bundle, its index edited and signed again."""
        members = members_in(self.next)
        return archive_of(self.keys.sign(members | {"index.json": edit(members["index.json"])}))

    def altered(self, **edits: bytes | None) -> bytes:
        """The next bundle with members replaced on the way; None takes one out."""
        return archive_of(edited(members_in(self.next), edits))

    def install(self, data: bytes) -> list[Command]:
        return [("install", self.put("hostile.airlock", data), "--root", str(self.site))]

    def verify(self, data: bytes) -> list[Command]:
        file = self.put("hostile.airlock", data)
        return [("verify", file, "--trust", self.put("root.json", self.keys.root))]

    def everywhere(self, data: bytes) -> list[Command]:
        """For what any command must see that reads a bundle."""
        return [*self.verify(data), *self.install(data)]

    def update(self, data: bytes) -> list[Command]:
        return [("update", self.put("hostile.airdelta", data), "--root", str(self.site))]

    def restore(self, data: bytes) -> list[Command]:
        """For what must be seen before and without any signature, too."""
        base, out = self.put("base.airlock", self.base), str(self.machine / "media" / "out.airlock")
        return [*self.update(data), ("apply", base, self.put("hostile.airdelta", data), "-o", out)]

    def at_site(self, *command: str) -> list[Command]:
        return [(*command, "--root", str(self.site))]


def edited(members: Members, edits: Mapping[str, bytes | None]) -> Members:
    return {name: data for name, data in (members | dict(edits)).items() if data is not None}


def contents_in(members: Mapping[str, bytes]) -> dict[Digest, bytes]:
    """Every expanded form of a bundle."""
    index = parse_index(members["index.json"], "index.json")
    forms = {entry.expanded.digest: entry.expanded for entry in index.entries}
    return {
        digest: decompress_whole(members[frame_name(digest)], digest, form.size, "frame")
        for digest, form in forms.items()
    }


def delta_between(old: bytes, new: bytes) -> bytes:
    """As `airlock delta` makes it, all that changed as patches."""
    rows, streams = patches_between(old, new)
    return delta_of(new, old, rows, streams)


def patches_between(old: bytes, new: bytes) -> tuple[list[Row], dict[str, bytes]]:
    before, after = members_in(old), members_in(new)
    olds, news = contents_in(before), contents_in(after)
    named = {entry.artifact.key: entry for entry in parse_index(before["index.json"], "old").entries}
    files = {name: io.BytesIO() for name in STREAMS}
    rows: list[Row] = []
    for entry in parse_index(after["index.json"], "new").entries:
        digest = entry.expanded.digest
        if digest in olds:
            rows.append(Keep(digest=digest))
            continue
        origin = named[entry.artifact.key]
        content, base = news[digest], olds[origin.expanded.digest]
        make_patch(
            Base(io.BytesIO(base), [len(base)]), io.BytesIO(content), len(content), Streams(dict(files))
        )
        label = origin.artifact.label
        rows.append(
            Patch(digest=digest, base=Origin(digest=origin.expanded.digest, size=len(base), label=label))
        )
    return rows, {name: file.getvalue() for name, file in files.items()}


def delta_of(new: bytes, old: bytes, rows: Sequence[Row], streams: Mapping[str, bytes]) -> bytes:
    members = {name: data for name, data in members_in(new).items() if not name.startswith("frames/")}
    document = DeltaIndex(
        base_project=parse_index(members_in(old)["index.json"], "old").project,
        base=digest_of(members_in(old)["index.json"]),
        new=digest_of(members["index.json"]),
        rows=tuple(rows),
    )
    packs = {member_name(name): b"".join(packed([data], len(data))) for name, data in streams.items() if data}
    return archive_of({"delta.json": write_delta_index(document), **members, **packs})


def template(folder: Path, keys: Keys) -> Ground:
    """Made once; each attack gets a copy."""
    base = archive_of(
        keys.sign(members_in(bundle(items("1.0"), version="1.0")), COUNTER, "gateway-1.0-plant/index.json")
    )
    following = archive_of(keys.sign(members_in(bundle(items("2.0"), version="2.0"))))
    for name in ("media", "outside", "tmp"):
        (folder / name).mkdir(parents=True)
    (folder / "outside" / "precious").write_bytes(b"nobody touches this")
    ground = Ground(folder, keys, base, following, delta_between(base, following))
    trust = ground.put("root.json", keys.root)
    code, said = run((*ground.install(base)[0], "--trust", trust))
    assert code == 0, said
    return ground


def copied(ground: Ground, folder: Path) -> Ground:
    shutil.copytree(ground.machine, folder, symlinks=True)
    return replace(ground, machine=folder)


def run(command: Command) -> tuple[int, str]:
    """A command in this process, and what it said. What it does not catch comes through."""
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said):
        code = main(["--quiet", *command] if command[0].startswith("-") else [command[0], "-q", *command[1:]])
    return code, said.getvalue()


def state_of(machine: Path) -> dict[str, tuple[object, ...]]:
    """Every path of the machine: type, mode, names, link target or bytes and time of the last change."""
    found: dict[str, tuple[object, ...]] = {}
    for folder, folders, files in os.walk(machine):
        for name in [*folders, *files]:
            path = Path(folder, name)
            relative = str(path.relative_to(machine))
            if relative not in NOT_STATE:
                found[relative] = _state(path)
    return found


def _state(path: Path) -> tuple[object, ...]:
    status = path.lstat()
    kind, mode = stat.S_IFMT(status.st_mode), stat.S_IMODE(status.st_mode)
    if stat.S_ISLNK(status.st_mode):
        return kind, str(path.readlink())
    if stat.S_ISREG(status.st_mode):
        data = hashlib.sha256(path.read_bytes()).hexdigest()
        return kind, mode, status.st_nlink, status.st_mtime_ns, status.st_size, data
    return kind, mode


@dataclass(frozen=True)
class Attack:
    name: str
    family: str
    what: str
    """One line."""
    make: Callable[[Ground], list[Command]]
    says: str
    """What every refusal says, so that it is refused for what it is."""
    confined: bool
    """To a process of its own, with little memory and time: what must not take more."""
    threshold: int


ATTACKS: dict[str, Attack] = {}


def attack(
    family: str, says: str, *, confined: bool = False, threshold: int = 1
) -> Callable[[Callable[[Ground], list[Command]]], Callable[[Ground], list[Command]]]:
    """Register a function as the attack of its name, its docstring being what it is."""

    def register(make: Callable[[Ground], list[Command]]) -> Callable[[Ground], list[Command]]:
        name = make.__name__.replace("_", "-")
        assert name not in ATTACKS and make.__doc__, name
        ATTACKS[name] = Attack(name, family, make.__doc__, make, says, confined, threshold)
        return make

    return register


def artifact_named(ground: Ground, name: str) -> Artifact:
    index = parse_index(members_in(ground.next)["index.json"], "index.json")
    return next(entry.artifact for entry in index.entries if entry.artifact.name == name)
