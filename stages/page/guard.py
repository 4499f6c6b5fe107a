"""Who may use the page: names and origins that are ours, and a token where others can reach it.

A web page elsewhere can send requests to loopback in its visitor's browser, hence the checks of
`Origin`; and it can make its own name mean 127.0.0.1 (DNS rebinding), hence that of `Host`.
"""

import hmac
import ipaddress
import secrets
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

_PAGES: Final = ("/", "/frame")
_COOKIE_S: Final = 30 * 24 * 3600
_HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'self'; img-src 'self' blob: data:; frame-ancestors 'self'; "
        "base-uri 'none'; form-action 'none'; object-src 'none'"
    ),
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def is_loopback(host: str) -> bool:
    """Whether a host name or address means this machine and nothing else."""
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return host == "localhost"


def new_token() -> str:
    """Return a token that nobody guesses."""
    return secrets.token_urlsafe(18)


class Guard:
    """Refuses requests. `token` is None where none is needed."""

    def __init__(self, host: str, token: str | None, refused: Callable[[str], None]) -> None:
        """`refused` is told the reason of every refusal."""
        self.token = token
        self.port = 0  # known when bound; part of the cookie's name, which ports share
        self._loopback_only = is_loopback(host)
        self._refused = refused

    @web.middleware
    async def middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Answer a request, or refuse it with a sentence."""
        why = self._why_not(request)
        if why is not None:
            self._refused(why)
            raise web.HTTPForbidden(text=f"{why}\n")
        shown = request.query.get("token")
        if shown is None or self.token is None or request.path not in _PAGES:
            return await handler(request)
        # The token goes into a cookie and out of the address, which others may see or keep.
        response = web.HTTPSeeOther(request.rel_url.without_query_params("token"))
        response.set_cookie(
            self._cookie, shown, max_age=_COOKIE_S, httponly=True, samesite="Strict"
        )
        raise response

    async def add_headers(self, _request: web.Request, response: web.StreamResponse) -> None:
        """Tell browsers what a page of ours never does."""
        for name, value in _HEADERS.items():
            response.headers.setdefault(name, value)

    @property
    def _cookie(self) -> str:
        return f"ayatsuri-{self.port}"

    def _why_not(self, request: web.Request) -> str | None:
        host = request.headers.get("Host", "")
        if self._loopback_only and not is_loopback(_name(host)):
            return f"this page is not served under the name {host[:80]!r}; use 127.0.0.1"
        origin = request.headers.get("Origin")
        if origin is not None:
            parts = urlsplit(origin)
            if parts.scheme not in ("http", "https") or parts.netloc != host:
                return f"requests from the origin {origin[:80]!r} are not answered"
        if self.token is not None and not self._knows_token(request):
            return "a token is needed: open the address that the log of ayatsuri shows"
        return None

    def _knows_token(self, request: web.Request) -> bool:
        assert self.token is not None
        shown = request.query.get("token") or request.cookies.get(self._cookie) or ""
        return hmac.compare_digest(shown.encode(), self.token.encode())


def _name(host: str) -> str:
    """Return a Host header without its port."""
    try:
        return urlsplit(f"//{host}").hostname or ""
    except ValueError:
        return ""
