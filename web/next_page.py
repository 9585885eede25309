"""Where to go after signing in: only ever to a page of ours."""

from __future__ import annotations

import re

_PATH = re.compile(r"/(?![/\\])[A-Za-z0-9\-._~!$&'()*+,;=:@%/?]*")


def safe(path: str | None) -> str:
    """``path`` if it is the path of a page here, else the first page.

    A second slash, a backslash or a control character, plain or escaped, would let a browser read
    the name of another site in it.
    """
    if not path or len(path) > 2000 or not _PATH.fullmatch(path):
        return "/"
    if re.search(r"%(2f|5c|0[0-9a-f]|1[0-9a-f])", path.split("?")[0], re.IGNORECASE):
        return "/"
    return path
