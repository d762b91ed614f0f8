"""`airlock inspect FILE`: what a bundle, delta or lock holds."""

import argparse
from typing import TYPE_CHECKING, Any

from airlock.cli.arguments import existing
from airlock.cli.session import Session

if TYPE_CHECKING:
    from airlock.airgapped.inspect import Line, Summary


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=existing, metavar="FILE", help="a bundle, delta or lock")
    parser.add_argument(
        "--deep", action="store_true", help="read every frame of a bundle, to count opaque bytes"
    )
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> int | None:
    from airlock.airgapped.inspect import inspect
    from airlock.cli.session import print_json

    with arguments.file.open("rb") as stream:
        summary = inspect(stream, str(arguments.file), deep=arguments.deep)
    if arguments.json:
        print_json(_document(summary))
    else:
        _print(summary)
    return None


def _document(summary: "Summary") -> dict[str, Any]:
    document: dict[str, Any] = {
        "what": summary.what,
        "project": {"name": summary.project.name, "version": summary.project.version},
        "targets": [
            {
                "name": target.name,
                "python": target.python,
                "platform": target.platform,
                "prefix": target.prefix,
            }
            for target in summary.targets
        ],
        "encoder": {
            "name": summary.encoder.name,
            "version": summary.encoder.version,
            "level": summary.encoder.level,
            "codecs": summary.encoder.codecs,
        },
        "size": summary.size,
        "signatures": list(summary.signatures),
        "artifacts": [line_document(line) for line in summary.lines],
    }
    digests = {"index": summary.index, "base": summary.base}
    return document | {name: digest for name, digest in digests.items() if digest}


def line_document(line: "Line") -> dict[str, Any]:
    """One artifact for programs; what is not known is left out."""
    artifact = line.artifact
    document: dict[str, Any] = {
        "kind": artifact.kind,
        "name": artifact.name,
        "version": artifact.version,
        "file": artifact.file,
        "size": artifact.size,
        "digest": artifact.digest,
        "targets": list(line.targets),
    }
    more = {name: getattr(line, name) for name in ("expanded", "form", "compressed", "opaque", "how")}
    return document | {name: value for name, value in more.items() if value is not None}


def _print(summary: "Summary") -> None:
    from airlock.cli.progress import human_size

    print(f"{summary.what} of {summary.project.name} {summary.project.version}, {human_size(summary.size)}")
    for target in summary.targets:
        prefix = f", prefix {target.prefix}" if target.prefix else ""
        print(f"target     {target.name}: Python {target.python} on {target.platform}{prefix}")
    print(
        f"encoder    {summary.encoder.name} {summary.encoder.version}, level {summary.encoder.level}, {summary.encoder.codecs}"
    )
    for name, digest in (("base", summary.base), ("index", summary.index)):
        if digest:
            print(f"{name:<10} {digest}")
    if summary.what != "lock":
        print(f"signatures {', '.join(summary.signatures) or 'none'}")
    print(f"originals  {human_size(sum(line.artifact.size for line in summary.lines))}")
    for line in summary.lines:
        print("  " + _sentence(line))


def _sentence(line: "Line") -> str:
    from airlock.cli.progress import human_size

    parts = [f"{line.artifact.label}: {human_size(line.artifact.size)}"]
    for name, size in (("expanded", line.expanded), ("compressed", line.compressed), ("opaque", line.opaque)):
        if size is not None:
            parts.append(f"{human_size(size)} {name}")
    parts += [part for part in (line.how, ", ".join(line.targets)) if part]
    return ", ".join(parts)
