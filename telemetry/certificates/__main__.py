"""`python -m telemetry.certificates ROOT_FOLDER [PUBLIC_FOLDER]`: `ca init` for a first start.

It needs neither Django nor a database: the broker needs the CA before there is one. Where there is
a CA already, it stays, and the root is not needed. PUBLIC_FOLDER gets the certificates, for
processes that must not have the keys.
"""

import sys
from datetime import UTC, datetime
from pathlib import Path

from config.env import read_or_exit
from config.options import CertificateOptions, RootOptions
from telemetry.certificates.authority import create_authority, exists, open_authority, write_file
from telemetry.certificates.errors import AuthorityError


def main(root_folder: str, public_folder: str = "") -> int:
    """The exit code: 0 when there is a CA now."""
    try:
        authority = open_authority(read_or_exit(CertificateOptions))
        if not exists(authority):
            create_authority(
                authority,
                root_folder=Path(root_folder),
                root_passphrase=read_or_exit(RootOptions).passphrase,
                now=datetime.now(UTC),
            )
        for path in authority.folder.glob("*.crt") if public_folder else ():
            write_file(Path(public_folder) / path.name, path.read_bytes())
    except (AuthorityError, OSError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:3]))
