"""Everything that commands of the near side may use, opened and closed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from airlock.cli.session import Session
from airlock.kinds import NearSide
from airlock.storage.store import Store

if TYPE_CHECKING:
    from airlock.net import Network, PipConfiguration


def near_store(session: Session) -> Store:
    """The store alone, for commands that stay off the network."""
    return Store(session.cache / "store")


@contextmanager
def network(session: Session) -> "Iterator[Network]":
    """The network alone, with the user's logins, proxies and certificates."""
    with _network(session, {}) as (opened, _):
        yield opened


@contextmanager
def near_side(
    session: Session,
    directory: Path,
    indexes: Mapping[str, str] | None = None,
    *,
    expecting: bool = False,
) -> Iterator[NearSide]:
    """`directory` is where the manifest and the lock are, `indexes` are the manifest's; `expecting`: the default index will
    be asked for soon. Nothing else is asked of the network, or of pip, until it is needed."""
    with _network(session, indexes or {}) as (opened, pip):
        if expecting:
            pip.expect()
        yield NearSide(
            directory=directory,
            cache=session.cache,
            store=near_store(session),
            web=opened,
            default_index=pip.index,
            reporter=session.reporter,
        )


@contextmanager
def _network(session: Session, indexes: Mapping[str, str]) -> "Iterator[tuple[Network, PipConfiguration]]":
    from airlock.net import Network, PipConfiguration
    from airlock.net.credentials import Credentials

    pip = PipConfiguration(session.environment, session.reporter)
    credentials = Credentials(pip, session.environment)
    for name, url in sorted(indexes.items()):
        credentials.know(name, url)
    opened = Network(session.cache / "http", pip, credentials)
    try:
        yield opened, pip
    finally:
        opened.close()
