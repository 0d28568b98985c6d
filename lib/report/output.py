"""What a cell shows, in the forms that front ends know: HTML, Markdown, plain text, a picture."""

from __future__ import annotations

import base64

from IPython.display import display


def put(html: str, text: str, png: bytes | None = None, markdown: bool = True) -> None:
    """Display `html`; where that is not shown, `text` (as Markdown and as it is) or the picture `png`."""
    bundle = {"text/html": html, "text/plain": text} | ({"text/markdown": text} if markdown else {})
    if png is not None:
        bundle["image/png"] = base64.b64encode(png).decode()
    display(bundle, raw=True)
