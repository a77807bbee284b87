"""The real yt-dlp behind real proxies with logins: what it may reach, and whose fault a refusal is."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from ingest.downloader.exits import Exit
from ingest.downloader.sources import ytdlp
from ingest.downloader.sources.connector import ANY_SITE, Access
from ingest.shared.errors import Code, IngestError
from ingest.shared.sandbox import child
from tests.integration.bad_inputs import site as sites
from tests.integration.bad_inputs.conftest import OPTIONS
from tests.support import proxies

if TYPE_CHECKING:
    from collections.abc import Iterator

    from ingest.downloader.sources.announced import Announcement
    from tests.integration.bad_inputs.site import Site
    from tests.support.proxies import Proxy


@pytest.fixture(params=["http", "socks5"])
def proxy(request: pytest.FixtureRequest) -> Iterator[Proxy]:
    with proxies.running(request.param) as running:
        yield running


def inspect(url: str, proxy: str) -> Announcement:
    """Ask for a recording through a proxy, in a child that may connect to the site and the proxy."""
    limits = child.ChildLimits(60.0, memory_bytes=0, network=True, hosts=("127.0.0.1",))
    options = replace(OPTIONS, extractors=ANY_SITE, socket_timeout_s=5.0)
    access = Access(options, limits).through(Exit(2, proxy))
    return child.run(ytdlp.inspect, (url, access.options), access.limits)


def refusal(url: str, proxy: str) -> IngestError:
    with pytest.raises(IngestError) as caught:
        inspect(url, proxy)
    assert proxies.PASSWORD not in str(caught.value)
    assert proxies.USER not in str(caught.value)
    return caught.value


def test_a_site_is_asked_through_the_proxy_and_a_private_address_is_not(
    site: Site, forbidden_site: Site, proxy: Proxy, webm: bytes
) -> None:
    url = site.add(sites.file(webm))
    inspect(url, proxy.address())
    assert site.asked
    assert {host for host, _ in proxy.asked} == {"127.0.0.1"}
    for address in (forbidden_site.add(sites.file(webm)), site.add(sites.redirect(forbidden_site.root))):
        assert refusal(address, proxy.address()).code is Code.URL_NOT_ALLOWED
    assert forbidden_site.asked == []
    assert {host for host, _ in proxy.asked} == {"127.0.0.1"}


def test_a_proxy_that_refuses_the_login_or_is_gone_is_at_fault_itself(site: Site, proxy: Proxy, webm: bytes) -> None:
    url = site.add(sites.file(webm))
    assert refusal(url, proxy.address("wrong-and-secret")).code is Code.PROXY_REFUSED
    address = proxy.address()
    proxy.stop()
    error = refusal(url, address)
    assert error.code is Code.PROXY_REFUSED
    assert site.asked == []


def test_a_tunnel_leads_to_public_hosts_only_and_what_is_wrong_at_its_end_is_not_the_proxys(
    site: Site, forbidden_site: Site, proxy: Proxy
) -> None:
    """With TLS, an HTTP proxy is asked by CONNECT. The site speaks no TLS: yt-dlp trusts no certificate of a test."""
    secure = site.root.replace("http:", "https:") + "/recording.webm"
    assert refusal(secure, proxy.address()).code is Code.NETWORK_ERROR
    assert proxy.asked
    before = len(proxy.asked)
    private = forbidden_site.root.replace("http:", "https:") + "/recording.webm"
    assert refusal(private, proxy.address()).code is Code.URL_NOT_ALLOWED
    assert len(proxy.asked) == before
