"""What images are made of, and who writes their layers."""

import filecmp
import json
import platform
import shutil
import subprocess
import tarfile
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from tests.bench.sizes import sha256_of, size_of

INCLUDED = "ca-certificates,curl,nginx-light,openssl,perl"
GO_GZIP = """package main
import ("compress/gzip"; "io"; "os")
func main() { w := gzip.NewWriter(os.Stdout); io.Copy(w, os.Stdin); w.Close() }
"""


def tars(work: Path) -> tuple[Path, Path, Path]:
    """The root, the upgraded root, and what the upgrade changed."""
    names = work / "old.tar", work / "new.tar", work / "upgrade.tar"
    if all(path.exists() for path in names):
        return names
    sites = mirrors()
    main = next(iter(sites))
    roots = work / "root-old", work / "root-new"
    run("debootstrap", "--variant=minbase", f"--include={INCLUDED}", main, roots[0], sites[main])
    run("cp", "-a", *roots)
    clean(roots[0])
    lines = [f"deb {site} {suite} main\n" for suite, site in sites.items()]
    (roots[1] / "etc/apt/sources.list").write_text("".join(lines))
    run("chroot", roots[1], "apt-get", "-qq", "update")
    run("chroot", roots[1], "env", "DEBIAN_FRONTEND=noninteractive", "apt-get", "-qqy", "upgrade")
    clean(roots[1])
    for root, path in zip(roots, names, strict=False):
        run("tar", "--sort=name", "--numeric-owner", "-C", root, "-cf", path, ".")
    listing = work / "changed"
    listing.write_text("".join(f"{path}\n" for path in changed(*roots)))
    run("tar", "--no-recursion", "--numeric-owner", "-C", roots[1], "-cf", names[2], "-T", listing)
    return names


def mirrors() -> dict[str, str]:
    """Where apt has Debian's own suites from, the main one first; without updates, which security has too."""
    form = "$(RELEASE)|$(SITE)|$(ORIGIN)|$(CREATED_BY)"
    lines = (line.split("|") for line in out_of("apt-get", "indextargets", "--format", form).splitlines())
    found = {
        suite: site for suite, site, origin, made_by in lines if made_by == "Packages" and origin == "Debian"
    }
    return {suite: found[suite] for suite in sorted(found, key=len) if not suite.endswith("-updates")}


def clean(root: Path) -> None:
    for pattern in ("var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*_*"):
        for path in root.glob(pattern):
            path.unlink()


def changed(old: Path, new: Path) -> Iterator[str]:
    for path in sorted(new.rglob("*")):
        before = old / path.relative_to(new)
        if not (same_link(before, path) if path.is_symlink() else same_file(before, path)):
            yield str(path.relative_to(new))


def same_link(before: Path, after: Path) -> bool:
    return before.is_symlink() and before.readlink() == after.readlink()


def same_file(before: Path, after: Path) -> bool:
    if not after.is_file():
        return before.is_dir()
    return before.is_file() and not before.is_symlink() and filecmp.cmp(before, after, shallow=False)


# --- who writes them


def by_skopeo(layers: Sequence[Path], layout: Path) -> None:
    archive = layout.with_suffix(".tar")
    docker_archive(layers, archive)
    run("skopeo", "copy", "-q", f"docker-archive:{archive}", f"oci:{layout}:v")
    archive.unlink()


def by_umoci(layers: Sequence[Path], layout: Path) -> None:
    run("umoci", "init", "--layout", layout)
    run("umoci", "new", "--image", f"{layout}:v")
    for layer in layers:
        run("umoci", "raw", "add-layer", "--image", f"{layout}:v", layer)
    run("umoci", "gc", "--layout", layout)


def by_go(layers: Sequence[Path], layout: Path) -> None:
    """As docker does it: the layers of another layout, compressed by Go's standard library."""
    program = layout.parent / "gzip.go"
    program.write_text(GO_GZIP)
    run("go", "build", "-o", program.with_suffix(""), program)
    blobs = layout / "blobs" / "sha256"
    blobs.mkdir(parents=True)
    descriptors = []
    for layer in layers:
        packed = blobs / "packed"
        with layer.open("rb") as source, packed.open("wb") as out:
            subprocess.run([program.with_suffix("")], stdin=source, stdout=out, check=True)
        descriptors.append(described("application/vnd.oci.image.layer.v1.tar+gzip", packed, blobs))
    diffs = [sha256_of(layer) for layer in layers]
    config = put(configuration(diffs), "application/vnd.oci.image.config.v1+json", blobs)
    document = {"schemaVersion": 2, "config": config, "layers": descriptors}
    manifest = put(document, "application/vnd.oci.image.manifest.v1+json", blobs)
    manifest["annotations"] = {"org.opencontainers.image.ref.name": "v"}
    (layout / "index.json").write_text(json.dumps({"schemaVersion": 2, "manifests": [manifest]}))
    (layout / "oci-layout").write_text('{"imageLayoutVersion":"1.0.0"}')


def put(document: object, media_type: str, blobs: Path) -> dict[str, Any]:
    path = blobs / "document"
    path.write_text(json.dumps(document))
    return described(media_type, path, blobs)


def described(media_type: str, path: Path, blobs: Path) -> dict[str, Any]:
    digest, size = sha256_of(path), size_of(path)
    path.rename(blobs / digest)
    return {"mediaType": media_type, "digest": f"sha256:{digest}", "size": size}


def configuration(diffs: Sequence[str]) -> dict[str, Any]:
    machine = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    layers = {"type": "layers", "diff_ids": [f"sha256:{digest}" for digest in diffs]}
    return {"architecture": machine, "os": "linux", "config": {}, "rootfs": layers}


def docker_archive(layers: Sequence[Path], archive: Path) -> None:
    """What `docker save` writes."""
    config = json.dumps(configuration([sha256_of(layer) for layer in layers]))
    name = f"{sha256(config.encode()).hexdigest()}.json"
    names = [f"{number}/layer.tar" for number in range(len(layers))]
    folder = archive.with_suffix(".parts")
    folder.mkdir()
    (folder / name).write_text(config)
    (folder / "manifest.json").write_text(
        json.dumps([{"Config": name, "RepoTags": ["corpus:v"], "Layers": names}])
    )
    with tarfile.open(archive, "w") as tar:
        for path in (folder / name, folder / "manifest.json"):
            tar.add(path, path.name)
        for inside, layer in zip(names, layers, strict=True):
            tar.add(layer, inside)
    shutil.rmtree(folder)


def run(*command: str | Path) -> None:
    subprocess.run([str(part) for part in command], check=True, stdout=subprocess.DEVNULL)


def out_of(*command: str) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout
