"""The commands themselves, each in a process of its own: what they print, and the exit codes scripts branch on."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from airlock.core.artifact import HealthCheck
from airlock.core.target import Target
from tests.far.bundles import NOW, PYTHON, TARGET, archive_of, bundle, file_item, members_in

pytestmark = pytest.mark.journey

FIXED = {
    "plain.airlock": bundle(
        [file_item("share/a", b"a" * 500)],
        target=Target(name="plant", python="3.11", platform="manylinux_2_28_x86_64", prefix=""),
    )
}


def airlock(folder: Path, *arguments: str, offline: bool = False) -> subprocess.CompletedProcess[str]:
    command: Sequence[str] = [sys.executable, "-m", "airlock", *arguments]
    environment = {**os.environ, "SOURCE_DATE_EPOCH": str(NOW), "HOME": str(folder)}
    prefix = ["unshare", "-rn"] if offline else []
    return subprocess.run([*prefix, *command], cwd=folder, env=environment, capture_output=True, text=True)


def fixed_key(path: Path, seed: int) -> None:
    private = Ed25519PrivateKey.from_private_bytes(bytes([seed]) * 32)
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))


@pytest.fixture(scope="module")
def near(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Keys that are the same in every run, a trust root, and a signed bundle."""
    folder = tmp_path_factory.mktemp("near")
    for seed, name in enumerate(("root", "release", "stranger"), 1):
        fixed_key(folder / f"{name}.key", seed)
    made = airlock(folder, "trust", "init", "--root", "root.key", "--release", "release.key")
    assert (made.returncode, made.stdout.splitlines()[0]) == (0, "trust-root.json"), made.stderr
    for name, key in (("signed", "release"), ("foreign", "stranger")):
        (folder / f"{name}.airlock").write_bytes(FIXED["plain.airlock"])
        done = airlock(folder, "sign", f"{name}.airlock", "--key", f"{key}.key")
        assert done.returncode == 0, done.stderr
    (folder / "plain.airlock").write_bytes(FIXED["plain.airlock"])
    return folder


def spoiled(near: Path, name: str, data: bytes) -> str:
    (near / name).write_bytes(data)
    return name


def test_a_new_key_is_secret_and_never_replaces_one(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("correct horse\n")
    arguments = ("key", "new", "release", "--passphrase-file", "secret")
    assert airlock(tmp_path, *arguments).returncode == 0
    assert (tmp_path / "release.key").stat().st_mode & 0o777 == 0o600
    assert b"ENCRYPTED" in (tmp_path / "release.key").read_bytes()
    again = airlock(tmp_path, *arguments)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_verify_says_what_it_checked(near: Path) -> None:
    done = airlock(near, "verify", "signed.airlock", "--trust", "trust-root.json")
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[0] == "signed.airlock: gateway 1.0 for plant"
    assert done.stdout.count("  checked  ") == 5
    report = json.loads(
        airlock(near, "verify", "signed.airlock", "--trust", "trust-root.json", "--json").stdout
    )
    assert report["index"].startswith("sha256:" + report["short"].replace(" ", ""))
    assert report["release"] == NOW * 1000, "milliseconds"


def test_the_trust_root_shows_its_keys(near: Path) -> None:
    report = json.loads(airlock(near, "trust", "show", "trust-root.json", "--json").stdout)
    assert report["roles"]["release"]["threshold"] == 1
    assert report["version"] == 1


INTEGRITY = {
    "unsigned": """\
error: plain.airlock: not signed: expected a member trust/targets.json
hint: sign it with `airlock sign`
""",
    "another key": """\
error: foreign.airlock: trust/targets.json: not signed by enough trusted keys: expected 1 of the release keys RELEASE, \
found 0 of them, among the signers STRANGER
hint: ask the sender who signed it, and compare key ids; never install it unsigned
""",
    "truncated": """\
error: cut.airlock: byte 300: truncated
hint: copy the file again, and compare its sha256sum with the sender's
""",
    "foreign member": """\
error: more.airlock: member frames/extra.zst: the index does not name it
""",
    "no index": """\
error: none.airlock: member index.json: missing
hint: copy the file again, and compare its sha256sum with the sender's
""",
}


@pytest.mark.parametrize("case", list(INTEGRITY))
def test_golden_messages_of_the_integrity_family(near: Path, case: str) -> None:
    members = members_in((near / "signed.airlock").read_bytes())
    frame = next(name for name in members if name.startswith("frames/"))
    signed = (near / "signed.airlock").read_bytes()
    files = {
        "unsigned": "plain.airlock",
        "another key": "foreign.airlock",
        "truncated": spoiled(near, "cut.airlock", signed[:300]),
        "foreign member": spoiled(near, "more.airlock", archive_of(members | {"frames/extra.zst": b""})),
        "no index": spoiled(near, "none.airlock", archive_of({frame: members[frame]})),
    }
    done = airlock(near, "verify", files[case], "--trust", "trust-root.json")
    assert done.returncode == 5
    assert done.stdout == ""
    said = done.stderr.replace(frame, "FRAME")
    for name in ("release", "stranger"):
        said = said.replace(key_id(near, name)[:8], name.upper())
    assert said == INTEGRITY[case]


def key_id(near: Path, name: str) -> str:
    from airlock.connected.key import read_signer

    return read_signer((near / f"{name}.key").read_bytes(), None, name).public_key.keyid


TARGETS = {
    "nothing installed": """\
error: SITE: nothing is installed here
hint: install a bundle with `airlock install`
""",
    "no trust": """\
error: SITE: trusts nobody yet
hint: give the trust root that the sender handed over, with --trust root.json
""",
    "another platform": """\
error: target plant: made for another platform: expected musllinux_9_9_aarch64, found HOST
hint: install the bundle of the target that fits this machine
""",
    "another root": """\
error: target plant: made for another root: expected /opt/plant, found SITE
hint: install with --root /opt/plant
""",
    "no python": """\
error: not-python: not a Python interpreter that runs, No such file or directory
""",
}


@pytest.mark.parametrize("case", list(TARGETS))
def test_golden_messages_of_the_target_family(near: Path, case: str, tmp_path: Path) -> None:
    platform = "musllinux_9_9_aarch64" if case == "another platform" else TARGET.platform
    prefix = "/opt/plant" if case == "another root" else ""
    target = Target(name="plant", python=PYTHON, platform=platform, prefix=prefix)
    (tmp_path / "b.airlock").write_bytes(bundle([], target=target))
    assert airlock(tmp_path, "sign", "b.airlock", "--key", str(near / "release.key")).returncode == 0
    install = ("install", "b.airlock", "--root", "site")
    trusted = (*install, "--trust", str(near / "trust-root.json"))
    commands: dict[str, tuple[str, ...]] = {
        "nothing installed": ("status", "--root", "site"),
        "no trust": install,
        "another platform": trusted,
        "another root": trusted,
        "no python": (*trusted, "--python", "not-python"),
    }
    done = airlock(tmp_path, *commands[case])
    assert done.returncode == 6, done.stderr
    said = done.stderr.replace(str((tmp_path / "site").resolve()), "SITE").replace(TARGET.platform, "HOST")
    assert said == TARGETS[case]
    assert not (tmp_path / "site").exists()


def _can_unshare() -> bool:
    return shutil.which("unshare") is not None and subprocess.run(["unshare", "-rn", "true"]).returncode == 0


@pytest.mark.skipif(not _can_unshare(), reason="no user namespaces here")
def test_the_far_side_works_without_any_network_and_writes_nothing_to_the_media(
    near: Path, tmp_path: Path
) -> None:
    media = tmp_path / "media"
    media.mkdir()
    health = HealthCheck(
        command=("python", "-c", "import sys; assert sys.prefix != sys.base_prefix"), timeout=20
    )
    for number in (1, 2):
        (media / f"v{number}.airlock").write_bytes(bundle([], version=f"{number}.0", health=health))
        release = ("--key", str(near / "release.key"), "--counter", str(number))
        assert airlock(media, "sign", f"v{number}.airlock", *release).returncode == 0
    shutil.copy(near / "trust-root.json", media)
    for path in (*media.iterdir(), media):
        path.chmod(path.stat().st_mode & ~0o222)
    before = {path.name: path.stat().st_mtime_ns for path in media.iterdir()}
    site = str(tmp_path / "site")

    def far(*arguments: str) -> str:
        done = airlock(media, *arguments, "--root", site, offline=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert far("install", "v1.airlock", "--trust", "trust-root.json").startswith(
        "installed version 1.0 as generation 1"
    )
    assert "would change" in far("install", "v2.airlock", "--dry-run")
    far("install", "v2.airlock")
    assert "nothing to do" in far("install", "v2.airlock")
    assert far("rollback").startswith("went back to version 1.0 as generation 3, before: 2")
    report = json.loads(far("status", "--json"))
    assert (report["version"], report["generation"], report["content"]) == ("1.0", 3, 1)
    acts = json.loads(far("history", "--json"))["acts"]
    assert [act["act"] for act in acts] == ["receive", "install", "receive", "install", "rollback"]
    rolled = next(line for line in far("history").splitlines() if "  rollback  " in line)
    assert re.search(r"2 → 3  1\.0  (\w{4} ){3}\w{4}  signed by \w{8}  done", rolled)
    assert {path.name: path.stat().st_mtime_ns for path in media.iterdir()} == before
