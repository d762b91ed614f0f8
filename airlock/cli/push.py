"""`airlock push`: a bundle or delta into a registry."""

import argparse

from airlock.cli.arguments import existing
from airlock.cli.registries import add_place, place_of
from airlock.cli.session import Session, print_json


def configure(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("file", type=existing, metavar="FILE", help="a bundle or delta")
    add_place(parser, "where it goes; of its contents, only what is not there yet is sent")
    parser.add_argument("--json", action="store_true", help="tell the result as JSON")


def run(arguments: argparse.Namespace, session: Session) -> None:
    from airlock.cli.near import network
    from airlock.cli.progress import human_size
    from airlock.connected.push import push
    from airlock.errors import UsageError
    from airlock.oci.upload import Uploads
    from airlock.storage.archive import Archive

    place = place_of(arguments)
    if not (tag := place.reference.tag) or place.reference.digest:
        raise UsageError(repr(arguments.place), "a digest follows from what is pushed: give a tag alone")
    with network(session) as web, arguments.file.open("rb") as stream:
        archive = Archive(stream, str(arguments.file))
        uploads = Uploads(web=web, location=place.location, name=place.name)
        pushed = push(archive, arguments.file.name, tag, uploads, session.reporter)
    session.record(arguments.file, "push", detail=f"{place.name}:{tag} is {pushed.digest}")
    if arguments.json:
        print_json({"digest": pushed.digest, "sent": pushed.sent, "present": pushed.present})
        return
    print(f"oci://{place.name}@{pushed.digest}")
    print(f"  sent     {human_size(pushed.sent)}; {human_size(pushed.present)} were there")
