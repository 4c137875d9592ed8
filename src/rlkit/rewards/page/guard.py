"""`Guard`: who may speak with the page, before anything else of it hears them."""

from __future__ import annotations

import hmac
import ipaddress
import socket
from urllib.parse import urlsplit

from starlette.datastructures import Headers, MutableHeaders, QueryParams
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), microphone=(), geolocation=()",
    "Cache-Control": "no-store",
}
REMEMBERED_S = 30 * 86_400  # how long a browser keeps the cookie
LOCKED = """<!doctype html><html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width">
<title>rlkit: locked</title><h1>Open the link that the terminal shows</h1>
<p>This page needs the token in the link that <code>scripts/label.py</code> printed when it began.</p></html>"""
# A page of ours leads on, not a redirect: who follows a link from a mail or a chat is then no longer sent from there,
# and the strict cookie goes along.
ENTER = """<!doctype html><html lang="en"><meta charset="utf-8"><title>rlkit</title>
<meta http-equiv="refresh" content="0;url=/"><a href="/">Go on</a></html>"""


class Guard:
    """Middleware around the whole application.

    A request must name a host that is this server's (another site cannot point its own name here: DNS rebinding),
    bring the cookie that the token was exchanged for, and, to change anything, come from this page and be JSON.

    Args:
        app: What is guarded.
        token: None: whoever reaches the server may use it.
        port: The server's; names the cookie, so that pages of several runs do not take each other's.
        names: Hosts beside this computer's own and addresses.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, port: int, names: tuple[str, ...] = ()) -> None:
        self.app, self._token = app, token
        self._cookie = f"rlkit-label-{port}"
        self._names = {"localhost", socket.gethostname().lower(), *(name.lower() for name in names)}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(HEADERS)
            await send(message)

        refusal = self._refusal(Request(scope))
        await (refusal or self.app)(scope, receive, send_guarded)

    def _refusal(self, request: Request) -> Response | None:
        """What is answered instead; None: the request may pass."""
        headers = request.headers
        if not self._is_ours(headers.getlist("host")):
            return _refused(421, "this server has another name; see names= in the help of scripts/label.py")
        if request.method not in ("GET", "HEAD", "POST"):
            return _refused(405, "only GET and POST")
        if self._token is not None:
            if request.url.path == "/" and "token" in request.query_params:
                return self._exchange(request.query_params)
            if not self._knows(request.cookies.get(self._cookie, "")):
                page = request.url.path == "/"
                return HTMLResponse(LOCKED, 401) if page else _refused(401, "open the link that the terminal shows")
        return _foreign(headers) if request.method == "POST" else None

    def _exchange(self, query: QueryParams) -> Response:
        if not self._knows(query["token"]):
            return HTMLResponse(LOCKED, 403)
        response = HTMLResponse(ENTER)
        response.set_cookie(
            self._cookie, self._token or "", max_age=REMEMBERED_S, path="/", httponly=True, samesite="strict"
        )
        return response

    def _knows(self, said: str) -> bool:
        return hmac.compare_digest(said.encode("utf-8", "replace"), (self._token or "").encode())

    def _is_ours(self, hosts: list[str]) -> bool:
        """Whether the one Host header is a name of ours, or an address, which no one else's name is."""
        if len(hosts) != 1:
            return False
        try:
            name = urlsplit(f"//{hosts[0]}").hostname or ""
        except ValueError:
            return False
        if name in self._names:
            return True
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return False
        return True


def _foreign(headers: Headers) -> Response | None:
    """A refusal of what another site, or a form, could have sent."""
    origin, host = headers.get("origin", ""), headers["host"]
    if origin not in (f"http://{host}", f"https://{host}"):
        return _refused(403, "the request comes from another site")
    if headers.get("sec-fetch-site", "same-origin") != "same-origin":
        return _refused(403, "the request comes from another site")
    if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        return _refused(415, "only application/json")
    return None


def _refused(status: int, why: str) -> Response:
    return JSONResponse({"error": why}, status)
