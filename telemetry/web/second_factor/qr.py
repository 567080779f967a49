"""QR codes, as pictures in the page."""

import segno


def draw_qr(text: str) -> str:
    """An SVG as a `data:` address, black on white whatever the theme."""
    return str(segno.make(text, micro=False).svg_data_uri(scale=5, light="#fff"))
