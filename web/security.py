"""What every answer carries to keep a browser from doing anything it was not asked to.

The policy allows our own style sheet, our own scripts and nothing inline. The nonce for the one
inline line of the page template is made only when a template asks for it, so that an answer given
early (a refused request, an error) still has a policy.
"""

from __future__ import annotations

import secrets
from typing import Any

from flask import Flask, Response, g, request

_POLICY = {
    "default-src": "'none'",
    "script-src": "'self'",
    "style-src": "'self'",
    "img-src": "'self' data:",
    "font-src": "'self'",
    "connect-src": "'self'",
    "form-action": "'self'",
    "base-uri": "'none'",
    "frame-ancestors": "'none'",
    "manifest-src": "'self'",
}

HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

HTTPS_ONLY = ("Strict-Transport-Security", "max-age=31536000")
"""What an answer over TLS carries besides."""


def policy(nonce: str | None = None) -> str:
    """The Content-Security-Policy of a page; ``nonce`` admits the scripts that carry it."""
    parts = dict(_POLICY)
    if nonce:
        parts["script-src"] += f" 'nonce-{nonce}'"
    return "; ".join(f"{name} {value}" for name, value in parts.items())


def nonce() -> str:
    """This request's nonce, made on first use."""
    if "nonce" not in g:
        g.nonce = secrets.token_urlsafe(16)
    return str(g.nonce)


def protect(app: Flask) -> None:
    """Give every answer of ``app`` its headers, and templates the nonce."""
    app.after_request(_with_headers)
    app.jinja_env.globals["csp_nonce"] = nonce


def _with_headers(response: Response) -> Response:
    for name, value in HEADERS.items():
        response.headers.setdefault(name, value)
    response.headers.setdefault("Content-Security-Policy", policy(g.get("nonce")))
    response.headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        response.headers.setdefault(*HTTPS_ONLY)
    return response


def static_headers(headers: Any, path: str, url: str) -> None:
    """The same for static files, which are answered before the application is reached."""
    del path, url
    for name, value in HEADERS.items():
        headers[name] = value
    headers["Content-Security-Policy"] = "default-src 'none'; frame-ancestors 'none'"
