"""build, delta, apply, inspect, diff and export as a user types them, without a network."""

import hashlib
import json
import os
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from airlock.airgapped.inspect import Line, Summary
from airlock.cli.size_page import size_page
from airlock.core.artifact import Artifact, Encoder, Project
from airlock.core.digest import digest_of
from airlock.formats.lockfile import write_lockfile
from airlock.storage.archive import Archive, ArchiveWriter
from tests.wheels import two_versions

pytestmark = pytest.mark.journey


class Shop:
    """A folder with v1.lock and v2.lock, and a full store."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        _, old, new = two_versions(folder / "cache")
        (folder / "v1.lock").write_bytes(write_lockfile(old))
        (folder / "v2.lock").write_bytes(write_lockfile(new))
        pinned = replace(new, encoder=replace(new.encoder, version="1.5.6"))
        (folder / "pinned.lock").write_bytes(write_lockfile(pinned))

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ) | {"AIRLOCK_CACHE": str(self.folder / "cache")}
        done = subprocess.run(
            [sys.executable, "-m", "airlock", *arguments],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    def json(self, *arguments: str) -> dict[str, Any]:
        document = json.loads(self.run(*arguments, "--json").stdout)
        assert isinstance(document, dict)
        return document


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    shop = Shop(tmp_path_factory.mktemp("shop"))
    for version in ("v1", "v2"):
        shop.run("build", "--lock", f"{version}.lock", "--offline", "-q")
    shop.run("delta", "v1.lock", "v2.lock", "--offline", "-q")
    return shop


OLD, NEW = "dist/plant-gateway-1.0-plant.airlock", "dist/plant-gateway-2.0-plant.airlock"
DELTA = "dist/plant-gateway-1.0-to-2.0-plant.airdelta"


def test_a_build_proves_that_it_is_reproducible(shop: Shop, tmp_path: Path) -> None:
    said = shop.run("build", "--lock", "v1.lock", "--offline", "--reproducible", "-o", str(tmp_path))
    assert "reproducible: built twice, the same to the bit" in said.stdout
    assert (tmp_path / Path(OLD).name).read_bytes() == (shop.folder / OLD).read_bytes()


def test_a_build_tells_what_it_made(shop: Shop) -> None:
    [bundle] = shop.json("build", "--lock", "v1.lock", "--offline", "-q")["bundles"]
    data = (shop.folder / OLD).read_bytes()
    assert bundle["digest"] == "sha256:" + hashlib.sha256(data).hexdigest()
    assert bundle["size"] == len(data)


def test_a_bundle_of_somebody_else_is_checked_against_the_lock(shop: Shop) -> None:
    assert (
        "is what v1.lock builds"
        in shop.run("build", "--lock", "v1.lock", "--offline", "--check", OLD, "-q").stdout
    )
    refused = shop.run("build", "--lock", "v1.lock", "--offline", "--check", NEW, "-q", code=5)
    assert "not what the lock builds here, index.json: first difference at byte" in refused.stderr


def test_another_encoder_ends_with_exit_code_6_and_what_to_install(shop: Shop) -> None:
    refused = shop.run("build", "--lock", "pinned.lock", "--offline", "-q", code=6)
    assert "expected libzstd 1.5.6, found libzstd 1.5.7" in refused.stderr
    assert "pip install zstandard==0.23.0" in refused.stderr


def test_an_unknown_target_and_an_absent_lock_are_usage_errors(shop: Shop) -> None:
    assert "no such target" in shop.run("build", "--lock", "v1.lock", "--target", "moon", code=2).stderr
    assert "no such lock" in shop.run("build", "--lock", "v9.lock", code=2).stderr


def test_the_delta_restores_the_built_bundle(shop: Shop, tmp_path: Path) -> None:
    said = shop.run("apply", OLD, DELTA, "-o", str(tmp_path / "new.airlock"), "-q")
    assert "1 kept, 3 patched, 0 whole" in said.stdout
    assert (tmp_path / "new.airlock").read_bytes() == (shop.folder / NEW).read_bytes()


def test_a_delta_between_the_same_two_is_warned_of(shop: Shop, tmp_path: Path) -> None:
    said = shop.run("delta", "v1.lock", "v1.lock", "--offline", "-o", str(tmp_path))
    assert "warning: plant: both locks make the same bundle" in said.stderr


def test_a_wrong_base_ends_with_exit_code_5_and_leaves_nothing(shop: Shop, tmp_path: Path) -> None:
    refused = shop.run("apply", NEW, DELTA, "-o", str(tmp_path / "new.airlock"), "-q", code=5)
    assert (
        "not the base of this delta, which starts from plant-gateway 1.0: expected index sha256:"
        in refused.stderr
    )
    assert list(tmp_path.iterdir()) == []


def test_a_delta_carries_the_signatures_of_the_signed_bundle(shop: Shop, tmp_path: Path) -> None:
    signed = tmp_path / "signed.airlock"
    with (shop.folder / NEW).open("rb") as stream, signed.open("wb") as out:
        archive, writer = Archive(stream, "new"), ArchiveWriter(out)
        writer.add_bytes("index.json", archive.read("index.json", 1 << 20))
        writer.add_bytes("trust/targets.json", b"{}")
        for name in list(archive.members)[1:]:
            writer.add_bytes(name, archive.open(name).read())
        writer.close()
    shop.run("delta", "v1.lock", "v2.lock", "--offline", "-q", "-o", str(tmp_path), "--signed", str(signed))
    shop.run("apply", OLD, str(tmp_path / Path(DELTA).name), "-o", str(tmp_path / "new.airlock"), "-q")
    assert (tmp_path / "new.airlock").read_bytes() == signed.read_bytes()
    refused = shop.run(
        "delta", "v2.lock", "v1.lock", "--offline", "-q", "-o", str(tmp_path), "--signed", str(signed), code=5
    )
    assert "signed another index" in refused.stderr


def test_roots_and_approvals_travel_in_deltas_too(shop: Shop, tmp_path: Path) -> None:
    signed = tmp_path / Path(NEW).name
    signed.write_bytes((shop.folder / NEW).read_bytes())
    root, key = str(tmp_path / "root.json"), str(tmp_path / "a.key")
    approvals = str(tmp_path / "quality.json")
    shop.run("key", "new", "a", "--no-passphrase", "-o", str(tmp_path))
    shop.run("trust", "init", "--root", key, "--release", key, "-o", root)
    shop.run("trust", "init", "--approver", "quality", "--root", key, "--release", key, "-o", approvals)
    shop.run("trust", "rotate", root, "--key", key)
    shop.run("sign", str(signed), "--key", key, "--trust", root)
    shop.run("approve", str(signed), "--key", key, "--trust", approvals)
    shop.run("delta", "v1.lock", "v2.lock", "--offline", "-q", "-o", str(tmp_path), "--signed", str(signed))
    delta = str(tmp_path / Path(DELTA).name)
    demand = ("--trust", root, "--require-approval", approvals)
    assert "trust root version 2" in shop.run("verify", delta, *demand).stdout
    shop.run("apply", OLD, delta, "-o", str(tmp_path / "new.airlock"), "-q")
    assert (tmp_path / "new.airlock").read_bytes() == signed.read_bytes()
    shop.run("verify", str(tmp_path / "new.airlock"), *demand)
    unsigned = shop.run("delta", "v1.lock", "v2.lock", "--offline", "-o", str(tmp_path))
    assert f"next: airlock sign {delta} --key KEY" in unsigned.stderr


def test_sizes_are_a_table_with_a_sum(shop: Shop) -> None:
    lines = shop.run("inspect", OLD, "--sizes").stdout.splitlines()
    head = next(line for line in lines if "original" in line and "recipe" in line)
    assert head.split() == ["original", "expanded", "compressed", "recipe", "opaque"]
    rows = lines[lines.index(head) + 1 :]
    assert rows[-1].split()[0] == "all"
    assert {row.split()[1] for row in rows[:-1]} == {"gone", "kept", "native", "share/banner.txt"}


def test_a_faster_apply_gives_the_same_contents(shop: Shop, tmp_path: Path) -> None:
    fast = tmp_path / "fast.airlock"
    report = shop.json("apply", OLD, DELTA, "-o", str(fast), "--level", "1")
    assert not report["identical"]
    assert report["index"] == shop.json("inspect", NEW)["index"] == shop.json("inspect", str(fast))["index"]
    assert fast.read_bytes() != (shop.folder / NEW).read_bytes()


def test_sizes_of_a_delta_say_why(shop: Shop) -> None:
    text = shop.run("inspect", DELTA, "--sizes").stdout
    assert "patch against wheel native 1.0" in text
    rows = {row["name"]: row for row in shop.json("inspect", DELTA, "--sizes")["artifacts"]}
    assert rows["kept"]["compressed"] == 0 < rows["native"]["compressed"]
    assert rows["native"]["bases"] == ["wheel native 1.0"]
    assert "bases" not in rows["fresh"]


def test_sizes_are_a_page_that_needs_nothing_else(shop: Shop, tmp_path: Path) -> None:
    page = tmp_path / "sizes.html"
    shop.run("inspect", OLD, "--html", str(page))
    text = page.read_text()
    assert "wheel native 1.0" in text
    assert not re.search(r"https?:|src=|url\(|<script|<link", text)
    shop.run("inspect", OLD, "--html", str(tmp_path / "again.html"))
    assert (tmp_path / "again.html").read_text() == text


def test_what_artifacts_are_called_is_not_markup() -> None:
    artifact = Artifact(
        kind="file", name="<b>x</b>", version="", file="x", size=1, digest=digest_of(b"x"), placement={}
    )
    summary = Summary(
        what="bundle",
        project=Project(name="a<i>", version="1"),
        targets=(),
        encoder=Encoder(name="zstd", version="1", level=1),
        size=1,
        index=None,
        base=None,
        signatures=(),
        lines=(Line(artifact=artifact, expanded=1, compressed=1),),
    )
    assert not re.search("<[bi]>", size_page(summary))


def test_inspect_tells_bundle_delta_and_lock_apart(shop: Shop) -> None:
    bundle = shop.json("inspect", OLD, "--sizes")
    assert (bundle["what"], bundle["signatures"]) == ("bundle", [])
    assert {row["name"]: row["opaque"] for row in bundle["artifacts"]} == {
        "gone": 0,
        "kept": 0,
        "native": 0,
        "share/banner.txt": 0,
    }
    update = shop.json("inspect", DELTA)
    assert (update["what"], update["base"]) == ("delta", bundle["index"])
    assert {row["name"]: row["how"] for row in update["artifacts"]} == {
        "fresh": "patch",
        "kept": "keep",
        "native": "patch",
        "share/banner.txt": "patch",
    }
    assert shop.json("inspect", "v1.lock")["what"] == "lock"
    assert "bundle of plant-gateway 1.0" in shop.run("inspect", OLD).stdout
    assert "signatures none" in shop.run("inspect", DELTA).stdout


@pytest.mark.parametrize("pair", [(OLD, NEW), ("v1.lock", "v2.lock")])
def test_diff_tells_what_changed(shop: Shop, pair: tuple[str, str]) -> None:
    rows = shop.json("diff", *pair)["changes"]
    assert [(row["change"], row["name"]) for row in rows] == [
        ("changed", "share/banner.txt"),
        ("added", "fresh"),
        ("removed", "gone"),
        ("changed", "native"),
    ]
    assert "changed  wheel native: 1.0 " in shop.run("diff", *pair).stdout


def test_a_lock_and_a_bundle_cannot_be_compared(shop: Shop) -> None:
    assert "cannot be compared" in shop.run("diff", "v1.lock", OLD, code=2).stderr


def test_export_writes_every_wheel_to_the_bit(shop: Shop, tmp_path: Path) -> None:
    shop.run("export", OLD, "--wheels", str(tmp_path), "-q")
    files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in tmp_path.iterdir()}
    rows = shop.json("inspect", "v1.lock")["artifacts"]
    assert {f"sha256:{digest}" for digest in files.values()} == {
        row["digest"] for row in rows if row["kind"] == "wheel"
    }


def test_export_all_gives_files_as_well(shop: Shop, tmp_path: Path) -> None:
    shop.run("export", OLD, "--all", str(tmp_path), "-q")
    assert "banner.txt" in {path.name for path in tmp_path.iterdir()}


def _signed(shop: Shop, folder: Path) -> Path:
    """A bundle of v1.lock in `folder`, signed."""
    shop.run("build", "--lock", "v1.lock", "--offline", "-q", "-o", str(folder))
    shop.run("key", "new", "release", "--no-passphrase", "-o", str(folder))
    bundle = folder / Path(OLD).name
    shop.run("sign", str(bundle), "--key", str(folder / "release.key"))
    return bundle


def test_a_build_over_a_signed_bundle_says_that_the_signatures_are_gone(shop: Shop, tmp_path: Path) -> None:
    bundle = _signed(shop, tmp_path)
    build = ("build", "--lock", "v1.lock", "--offline", "-o", str(tmp_path))
    assert f"warning: {bundle.name} was signed and is not any more" in shop.run(*build).stderr
    assert "was signed" not in shop.run(*build).stderr


def test_a_lock_that_the_manifest_left_behind_is_built_with_a_warning(shop: Shop, tmp_path: Path) -> None:
    build = ("build", "--lock", str(tmp_path / "airlock.lock"), "--offline")
    (tmp_path / "airlock.lock").write_bytes((shop.folder / "v1.lock").read_bytes())
    assert "warning" not in shop.run(*build).stderr
    (tmp_path / "airlock.toml").write_text("[python]\nrequirments = []\n")
    assert "no longer answers airlock.toml: airlock.toml: " in shop.run(*build).stderr
    (tmp_path / "airlock.toml").write_text(
        '[project]\nname = "plant-gateway"\nversion = "9.0"\n'
        '[[target]]\nname = "plant"\npython = "3.11"\nplatform = "manylinux_2_28_x86_64"\n'
    )
    assert "airlock.lock is built as it stands, and no longer answers airlock.toml" in shop.run(*build).stderr


def test_a_delta_refuses_to_carry_signatures_that_are_not_there(shop: Shop, tmp_path: Path) -> None:
    delta = ("delta", "v1.lock", "v2.lock", "--offline", "-o", str(tmp_path), "--signed", NEW)
    refused = shop.run(*delta, code=2)
    assert f"{NEW}: not signed" in refused.stderr
    assert "airlock sign" in refused.stderr
    assert list(tmp_path.iterdir()) == []


def test_a_bundle_in_the_place_of_a_lock_is_named_as_one(shop: Shop) -> None:
    refused = shop.run("delta", OLD, NEW, "--offline", code=2)
    assert "not a lock but a bundle or delta" in refused.stderr


def test_a_delta_has_no_originals_to_export(shop: Shop, tmp_path: Path) -> None:
    refused = shop.run("export", DELTA, "--wheels", str(tmp_path / "wheels"), code=2)
    assert "not a bundle but a delta" in refused.stderr
    assert "airlock apply" in refused.stderr


def test_what_is_neither_bundle_delta_nor_lock_is_not_taken_for_a_lock(shop: Shop, tmp_path: Path) -> None:
    for name, text in (("airlock.toml", "[project]\n"), ("root.json", "{}")):
        (tmp_path / name).write_text(text)
        refused = shop.run("inspect", str(tmp_path / name), code=2)
        assert "neither a bundle, a delta nor a lock" in refused.stderr


def test_a_public_key_does_not_sign_and_is_told_from_the_private_one(shop: Shop, tmp_path: Path) -> None:
    bundle = _signed(shop, tmp_path)
    refused = shop.run("sign", str(bundle), "--key", str(tmp_path / "release.pub"), code=2)
    assert "release.pub: not a private key\nhint: NAME.key signs and NAME.pub does not" in refused.stderr


def test_a_mistyped_command_is_answered_with_the_nearest(shop: Shop) -> None:
    refused = shop.run("instal", "x.airlock", code=2)
    assert refused.stderr == "error: airlock: no such command: 'instal'\nhint: did you mean 'install'?\n"
    assert "see `airlock --help`" in shop.run("zzz", code=2).stderr


def test_a_bundle_at_another_level_says_what_its_deltas_need(shop: Shop) -> None:
    done = shop.run("build", "--lock", "v1.lock", "--offline", "-o", "small", "--smallest", "-q")
    assert "make deltas from and to it with --level 19 too" in done.stdout
    assert shop.json("inspect", "small/plant-gateway-1.0-plant.airlock")["encoder"]["level"] == 19
    update = shop.json("delta", "v1.lock", "v2.lock", "--offline", "-o", "small", "--level", "19")["deltas"][
        0
    ]
    assert update["base"] == shop.json("inspect", "small/plant-gateway-1.0-plant.airlock")["index"]
    assert update["base"] != shop.json("inspect", OLD)["index"]
    shop.run("build", "--lock", "v1.lock", "--offline", "--level", "23", code=2)
    shop.run("build", "--lock", "v1.lock", "--offline", "--level", "3", "--smallest", code=2)
