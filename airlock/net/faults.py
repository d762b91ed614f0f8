"""Troubles on the network in plain words, and never a user name, password or token."""

from urllib.parse import urlsplit, urlunsplit

from airlock.errors import FetchError

LOG_IN = (
    "put a user name and password for this host into ~/.netrc or the keyring, or into "
    "AIRLOCK_INDEX_NAME_USERNAME and AIRLOCK_INDEX_NAME_PASSWORD with the index's name; "
    "for a registry, log in with `podman login`, `skopeo login` or `docker login`"
)


def shown(url: str) -> str:
    """The URL as messages may show it: no user name and password, and no query, where signatures and tokens stand."""
    try:
        parts = urlsplit(url)
    except ValueError:
        return "an address that is none"
    return urlunsplit((parts.scheme, parts.netloc.rpartition("@")[2], parts.path, "", ""))


def refused(url: str, status: int) -> FetchError:
    hints = {
        401: LOG_IN,
        403: f"check that you may read this; {LOG_IN}",
        404: "the index does not have it any more: run `airlock lock` again, or use another mirror",
        407: "the proxy wants a password: set it in HTTPS_PROXY",
        416: "the file is shorter than what was fetched of it: the index holds another file now",
        429: "the index asks for fewer requests: try again later",
    }
    hint = hints.get(status, "the server has a fault of its own: try again later, or use another mirror")
    return FetchError(shown(url), "the server refused", found=f"HTTP status {status}", hint=hint)


def unreachable(url: str, error: Exception) -> FetchError:
    import requests

    if isinstance(error, requests.exceptions.SSLError):
        hint = "if your network has its own certificate authority, name its file with `pip config set global.cert`"
        hint += ", or in SSL_CERT_FILE or REQUESTS_CA_BUNDLE"
        return FetchError(shown(url), "the server's certificate is not trusted", hint=hint)
    if isinstance(error, requests.TooManyRedirects):
        return FetchError(shown(url), "the server sends from one address to the next without end")
    if isinstance(error, requests.exceptions.InvalidSchema | requests.exceptions.InvalidURL):
        return FetchError(shown(url), "the server sends to what is no http or https address, or out of https")
    if isinstance(error, requests.exceptions.ProxyError):
        return FetchError(
            shown(url),
            "the proxy cannot be used",
            hint="check HTTPS_PROXY, NO_PROXY and `pip config get global.proxy`",
        )
    reason = "no answer in time" if isinstance(error, requests.Timeout) else "cannot be reached, or broke off"
    return FetchError(
        shown(url), reason, hint="check the network, or name a mirror as [[index]] in airlock.toml"
    )
