"""A browser without a screen: it sends what Chromium would send, to an application in this process."""

from __future__ import annotations

import anyio
import httpx

PAGE = {"Accept": "text/html", "Sec-Fetch-Site": "same-origin"}
HOME = "http://127.0.0.1"


class Browser:
    """Cookies, and the headers of a browser; `site` is where its requests come from."""

    def __init__(self, app: object, **headers: str) -> None:
        self._app, self.cookies = app, httpx.Cookies()
        self._headers = {**PAGE, **headers}

    def get(self, address: str, **headers: str) -> httpx.Response:
        return self.send("GET", address, headers)

    def post(self, address: str, fields: dict[str, str], **headers: str) -> httpx.Response:
        return self.send("POST", address, headers, data=fields)

    def send(self, method: str, address: str, headers: dict[str, str], **more: object) -> httpx.Response:
        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self._app, raise_app_exceptions=False)  # type: ignore[arg-type] # an ASGI application
            async with httpx.AsyncClient(transport=transport, base_url=HOME, cookies=self.cookies) as client:
                answer = await client.request(method, address, headers={**self._headers, **headers}, **more)  # type: ignore[arg-type]
                self.cookies = client.cookies
                return answer

        return anyio.run(ask)


def signed_in(app: object, token: str, **headers: str) -> Browser:
    """A browser with a local session."""
    browser = Browser(app, **headers)
    assert browser.get(f"/sign-in?token={token}").status_code == 200
    return browser
