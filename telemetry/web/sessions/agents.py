"""What people call the browser that a User-Agent header describes."""

# The first that is found counts: most claim to be several.
BROWSERS = (
    ("Edg", "Edge"), ("OPR/", "Opera"), ("Firefox/", "Firefox"), ("Chrome/", "Chrome"),
    ("Safari/", "Safari"), ("curl/", "curl"), ("python", "Python"),
)  # fmt: skip
SYSTEMS = (
    ("Android", "Android"), ("iPhone", "iOS"), ("iPad", "iOS"), ("Windows", "Windows"),
    ("Mac OS X", "macOS"), ("Linux", "Linux"),
)  # fmt: skip


def name_agent(header: str) -> str:
    """As "Firefox, Linux"; empty when nothing is known of it."""
    found = (
        next((name for mark, name in names if mark in header), "") for names in (BROWSERS, SYSTEMS)
    )
    return ", ".join(filter(None, found))
