"""Images from layouts and archives beside the manifest."""

import gzip
import io
import shutil
import tarfile
from collections.abc import Mapping
from pathlib import Path

import pytest

from airlock.core.digest import parse_digest
from airlock.errors import AirlockError, IntegrityError, UsageError
from tests.images.conftest import Project, named
from tests.images.factory import (
    image,
    index,
    layout_files,
    saved_files,
    sha256,
    signature,
    spelled,
    tar,
    write_files,
)
from tests.manifests import write

ONE = image({"bin/plc": b"one"}, {"etc/plc": b"settings"})
TWO = image({"bin/plc": b"two"})


def a_path(path: str, tag: str = "", more: str = "") -> str:
    said = f"tag = '{tag}'\n" if tag else ""
    return f"[[image]]\npath = '{path}'\nname = 'plc'\n{said}{more}targets = ['north']\n"


def put(project: Project, form: str, files: Mapping[str, bytes]) -> str:
    """The images as a directory or a tar; returns the path."""
    if form == "folder":
        write_files(project.directory / "images", files)
        return "images"
    write(project.directory / "images.tar", tar(files))
    return "images.tar"


@pytest.mark.parametrize("form", ["folder", "archive"])
def test_a_layout_is_pinned_and_needs_no_registry(project: Project, form: str) -> None:
    path = put(project, form, layout_files({"1.0": ONE, "plant/plc:2.0": TWO}))
    for tag, thing in (("1.0", ONE), ("2.0", TWO), ("plant/plc:2.0", TWO)):
        text = a_path(path, tag)
        lockfile = project.lock(text)
        assert named(lockfile)["plc"].digest == thing.digest
        assert named(lockfile)["plc"].origin == {"path": path, "tag": tag}
        project.cache = f"cache-{sha256(tag.encode())[7:15]}"
        store = project.fetch(lockfile)
        assert all(parse_digest(digest) in store for digest in thing.blobs)


def test_a_layout_with_signatures_gives_them_along(project: Project) -> None:
    both = index(ONE)
    tag = f"sha256-{both.digest[7:]}.sig"
    cosign, listed = signature(both, b"cosign", subject=False), signature(ONE)
    path = put(project, "folder", layout_files({"1.0": both, tag: cosign}, [listed]))
    beside = {
        one.placement["of"]: one.digest
        for one in named(project.lock(a_path(path, "1.0"))).values()
        if one.placement["role"] == "beside"
    }
    assert beside == {both.digest: cosign.digest, ONE.digest: listed.digest}


def test_a_saved_archive_is_given_digests_of_its_own_and_says_so(project: Project) -> None:
    path = put(project, "archive", saved_files(ONE, "plant/plc:1.0"))
    lockfile = project.lock(a_path(path))
    rows = named(lockfile)
    assert rows["plc/config"].digest == ONE.config
    assert rows["plc/layer-2"].digest == sha256(tar({"etc/plc": b"settings"}))
    assert rows["plc/layer-1"].placement["media_type"] == "application/vnd.oci.image.layer.v1.tar"
    assert "images.tar was written by an engine" in project.reporter.warnings[0]
    assert project.lock(a_path(path)) == lockfile
    project.cache = "another"
    store = project.fetch(lockfile)
    assert all(one.digest in store for one in rows.values())


def test_a_layer_that_a_saved_archive_links_to_is_followed_within_it(project: Project) -> None:
    files = saved_files(ONE, "plc:1")
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as archive:
        for number, (name, data) in enumerate(files.items()):
            member = tarfile.TarInfo(f"data-{number}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, f"{'../' * name.count('/')}data-{number}"
            archive.addfile(link)
    write(project.directory / "images.tar", out.getvalue())
    assert named(project.lock(a_path("images.tar")))["plc/config"].digest == ONE.config


def test_a_changed_layout_is_locked_anew_and_an_unchanged_one_is_not(project: Project) -> None:
    path = put(project, "folder", layout_files({"1.0": ONE}))
    first = project.lock(a_path(path))
    assert project.lock(a_path(path), first) == first
    shutil.rmtree(project.directory / path)
    put(project, "folder", layout_files({"1.0": TWO}))
    assert named(project.lock(a_path(path), first))["plc"].digest == TWO.digest
    project.cache = "another"
    with pytest.raises(AirlockError) as caught:
        project.fetch(first)
    assert "the images changed since they were locked" in f"{caught.value}"


def refusal(project: Project, text: str) -> AirlockError:
    with pytest.raises(AirlockError) as caught:
        project.lock(text)
    return caught.value


@pytest.mark.parametrize(
    ("change", "what", "family"),
    [
        ({"oci-layout": b'{"imageLayoutVersion": "9"}'}, "expected '1.0.0', found '9'", IntegrityError),
        ({"oci-layout": b"{}"}, "imageLayoutVersion: missing", IntegrityError),
        ({"index.json": b"{}"}, "schemaVersion: missing", IntegrityError),
        ({"index.json": spelled({"schemaVersion": 2, "manifests": []})}, "has 0 images", UsageError),
        ({f"blobs/sha256/{ONE.digest[7:]}": b"{}"}, "content does not match its digest", IntegrityError),
        ({f"blobs/sha256/{ONE.config[7:]}": b"{}"}, "another size", IntegrityError),
        (
            {f"blobs/sha256/{ONE.layers[0][7:]}": b"x" * len(ONE.blobs[ONE.layers[0]])},
            "content does not match its digest",
            IntegrityError,
        ),
    ],
)
@pytest.mark.parametrize("form", ["folder", "archive"])
def test_a_layout_that_is_damaged_is_refused(
    project: Project, form: str, change: Mapping[str, bytes], what: str, family: type[AirlockError]
) -> None:
    path = put(project, form, layout_files({"1.0": ONE}) | dict(change))
    error = refusal(project, a_path(path))
    assert isinstance(error, family)
    assert what in str(error)


def test_an_image_that_is_not_named_is_asked_for(project: Project) -> None:
    path = put(project, "folder", layout_files({"1.0": ONE, "2.0": TWO}))
    error = refusal(project, a_path(path))
    assert str(error) == "images: has 2 images"
    assert error.hint == "say with `tag` which one is meant: there are 1.0, 2.0"
    assert "has no image '3'" in str(refusal(project, a_path(path, "3")))


@pytest.mark.parametrize(
    ("files", "what"),
    [
        ({"readme": b"x"}, "neither an OCI layout nor an archive of images"),
        (saved_files(ONE) | {"manifest.json": b"{}"}, "expected an array, found a table"),
        (saved_files(ONE) | {"manifest.json": spelled([{"RepoTags": 1}])}, "RepoTags: expected an array"),
        (
            saved_files(ONE) | {"manifest.json": spelled([{"RepoTags": [1]}])},
            "RepoTags[0]: expected a string",
        ),
        (
            saved_files(ONE) | {"manifest.json": spelled([{"Config": "../../etc/passwd", "Layers": []}])},
            "a file is missing",
        ),
        (
            saved_files(ONE)
            | {"manifest.json": spelled([{"Config": f"{ONE.config[7:]}.json", "Layers": []}])},
            "rootfs.diff_ids: expected 0, one a layer, found 2",
        ),
    ],
)
def test_an_archive_of_something_else_is_refused(
    project: Project, files: Mapping[str, bytes], what: str
) -> None:
    assert what in str(refusal(project, a_path(put(project, "archive", files))))


def test_a_saved_layer_that_its_configuration_does_not_name_is_refused(project: Project) -> None:
    files = saved_files(ONE)
    name = next(name for name in files if name.endswith("layer.tar"))
    path = put(project, "archive", files | {name: tar({"bin/plc": b"evil"})})
    assert "content does not match its digest" in str(refusal(project, a_path(path)))


def test_a_compressed_archive_is_told_what_to_do(project: Project) -> None:
    write(project.directory / "images.tar.gz", gzip.compress(tar(saved_files(ONE))))
    error = refusal(project, a_path("images.tar.gz"))
    assert "not a tar" in str(error) and "decompressed first" in str(error.hint)


def test_a_layout_whose_links_lead_out_of_it_is_not_followed(project: Project, tmp_path: Path) -> None:
    path = put(project, "folder", layout_files({"1.0": ONE}))
    blob = project.directory / path / "blobs/sha256" / ONE.layers[0][7:]
    outside = write(tmp_path / "outside", blob.read_bytes())
    blob.unlink()
    blob.symlink_to(outside)
    assert "a file is missing" in str(refusal(project, a_path(path)))
