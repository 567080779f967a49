"""QR codes, as images in the page."""

import segno


def render_qr(text: str) -> str:
    """An SVG as a `data:` address, black on white whatever the theme."""
    return str(segno.make(text, micro=False).svg_data_uri(scale=5, light="#fff"))
