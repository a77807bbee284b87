"""Requests to web addresses under our name, and with the login that an address has. `~/.netrc` is not read."""

from __future__ import annotations

import requests
from requests.auth import HTTPBasicAuth
from requests.utils import get_auth_from_url


class Session(requests.Session):
    """A session that takes proxies and certificates from the environment, but never a login, also after a redirect."""

    def __init__(self, user_agent: str) -> None:
        super().__init__()
        self.headers["User-Agent"] = user_agent
        self.auth = _login_of_the_address

    def rebuild_auth(self, prepared_request: requests.PreparedRequest, response: requests.Response) -> None:
        """Leave the login out of a redirect to another host; the base class would look into `~/.netrc`."""
        before, after = str(response.request.url), str(prepared_request.url)
        if self.should_strip_auth(before, after):  # type: ignore[no-untyped-call]
            prepared_request.headers.pop("Authorization", None)


def _login_of_the_address(request: requests.PreparedRequest) -> requests.PreparedRequest:
    user, password = get_auth_from_url(str(request.url))
    return HTTPBasicAuth(user, password)(request) if user or password else request
