"""`python -m telemetry.certificates ROOT_FOLDER`: `manage.py ca init` for a first start.

It needs neither Django nor a database: the broker needs the CA before there is one. Where there is
a CA already, nothing is changed.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from config.env import read_or_exit
from config.options import CertificateOptions, RootOptions
from telemetry.certificates.authority import create_authority, exists, open_authority
from telemetry.certificates.errors import AuthorityError


def main(root_folder: str) -> int:
    """The exit code: 0 when there is a CA now."""
    root = read_or_exit(RootOptions)
    try:
        authority = open_authority(read_or_exit(CertificateOptions))
        if not exists(authority):
            create_authority(
                authority,
                root_folder=Path(root_folder),
                root_passphrase=root.passphrase,
                now=datetime.now(UTC),
            )
    except (AuthorityError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
