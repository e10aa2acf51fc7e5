"""The page /docs: every question with its fields, to try. It loads nothing from outside, and no page may frame it."""

from __future__ import annotations

import re
from base64 import b64encode
from hashlib import sha256
from typing import TYPE_CHECKING

from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import HTMLResponse

if TYPE_CHECKING:
    from fastapi import FastAPI

STATIC = "/static-offline-docs"
"""Where fastapi-offline mounts Swagger UI's files."""
INLINE = re.compile(r"<script>(.*?)</script>", re.DOTALL)
POLICY = (
    "default-src 'none'; script-src 'self' {scripts}; style-src 'self' 'unsafe-inline'; img-src 'self' data:; "
    "connect-src 'self'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
)


def add_page(app: FastAPI) -> None:
    """Add /docs. Its own script is allowed by its digest, and no other inline script."""
    page = get_swagger_ui_html(
        openapi_url=str(app.openapi_url),
        title=app.title,
        swagger_js_url=f"{STATIC}/swagger-ui-bundle.js",
        swagger_css_url=f"{STATIC}/swagger-ui.css",
        swagger_favicon_url=f"{STATIC}/favicon.png",
    )
    text = bytes(page.body).decode()
    headers = {"Content-Security-Policy": policy(text), "X-Content-Type-Options": "nosniff"}

    @app.get("/docs", include_in_schema=False)
    async def docs() -> HTMLResponse:
        return HTMLResponse(text, headers=headers)


def policy(page: str) -> str:
    """The Content-Security-Policy of a page."""
    digests = (b64encode(sha256(script.encode()).digest()).decode() for script in INLINE.findall(page))
    return POLICY.format(scripts=" ".join(f"'sha256-{each}'" for each in digests))
