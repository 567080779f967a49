"""`manage.py ca init|renew|sign|issue|revoke|lot|crl|status`: the internal CA of gateways."""

import json
import sys
from argparse import ArgumentParser
from collections.abc import Callable
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from django.core.management.base import BaseCommand, CommandError
from django.core.serializers.json import DjangoJSONEncoder

from config.env import SettingError, read_options
from config.options import CertificateOptions, RootOptions
from telemetry.certificates import issue, lots, revocation
from telemetry.certificates.authority import (
    create_authority,
    open_authority,
    renew_authority,
    write_file,
)
from telemetry.certificates.errors import CertificateError
from telemetry.certificates.signing_request import read_signing_request
from telemetry.certificates.status import read_status
from telemetry.certificates.x509 import format_serial
from telemetry.core.topic import read_mac
from telemetry.models import Certificate, Lot

EXIT_PROBLEMS = 1


class Command(BaseCommand):
    """The CA: make it, issue and revoke certificates, tell the broker, tell how it is."""

    help = (
        "The CA that issues certificates to gateways. It is in CA_FOLDER; CA_PASSPHRASE opens its "
        "keys. See telemetry/certificates/README.md."
    )
    requires_system_checks: list[str] = []  # `init` comes before there is a database

    def add_arguments(self, parser: ArgumentParser) -> None:
        """A subcommand each."""
        commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
        for name, text in (
            ("init", "make the root, and the CA that works every day"),
            ("renew", "let the root sign that CA for another ten years; certificates stay valid"),
        ):
            command = commands.add_parser(name, help=text)
            command.add_argument(
                "--root-folder", required=True, type=Path, metavar="FOLDER",
                help="where the root's key is, or will be; take this folder offline afterwards",
            )  # fmt: skip
        command = commands.add_parser("sign", help="issue a certificate for a signing request")
        command.add_argument("file", metavar="FILE", help="the request, PEM or DER; - is the input")
        command.add_argument("--out", type=Path, metavar="FILE", help="instead of the output")
        command = commands.add_parser("issue", help="issue a certificate and make its key, too")
        command.add_argument("mac", metavar="MAC", help="of a registered gateway")
        target = command.add_mutually_exclusive_group(required=True)
        target.add_argument("--zip", type=Path, metavar="FILE", help="all in one archive")
        target.add_argument("--folder", type=Path, help="MAC.key and MAC.crt; a valid pair stays")
        command = commands.add_parser("revoke", help="end certificates before their time")
        command.add_argument(
            "which", metavar="SERIAL|MAC", help="one certificate, or all of a gateway"
        )
        command.add_argument(
            "--reason", choices=Certificate.Reason.values, default=Certificate.Reason.UNSPECIFIED
        )
        command = commands.add_parser("lot", help="open a production lot, or close it")
        command.add_argument("name", metavar="NAME")
        what = command.add_mutually_exclusive_group(required=True)
        what.add_argument("--close", action="store_true", help="nobody enrols with it any more")
        what.add_argument(
            "--folder", type=Path, help="lot-NAME.key and lot-NAME.crt for the factory"
        )
        command.add_argument("--gateways", type=int, default=1_000, metavar="N", help="at most")
        command.add_argument(
            "--days", type=int, default=180, metavar="N", help="how long it is open"
        )
        commands.add_parser("crl", help="write the list of revoked certificates now")
        command = commands.add_parser("status", help="show what ends when; exit code 1: see to it")
        command.add_argument("--json", action="store_true", help="for programs")

    def handle(self, *_: Any, **options: Any) -> None:
        """Run the subcommand; what is wrong is one line."""
        run: Callable[..., None] = getattr(self, f"_{options['command']}")
        try:
            run(options, datetime.now(UTC))
        except (CertificateError, SettingError) as error:
            raise CommandError(str(error), returncode=2) from error
        except OSError as error:
            raise CommandError(f"{error.filename}: {error.strerror}", returncode=2) from error

    def _init(self, options: dict[str, Any], now: datetime) -> None:
        authority = open_authority(read_options(CertificateOptions))
        root, folder = read_options(RootOptions), options["root_folder"]
        create_authority(authority, root_folder=folder, root_passphrase=root.passphrase, now=now)
        self.stdout.write(
            f"The CA is in {authority.folder}. Take {folder} offline, with CA_ROOT_PASSPHRASE: it "
            "is needed for manage.py ca renew only."
        )
        self.stdout.write(f"The broker needs {authority.folder}/gateways-ca.crt as its cafile.")

    def _renew(self, options: dict[str, Any], now: datetime) -> None:
        authority = open_authority(read_options(CertificateOptions))
        root, folder = read_options(RootOptions), options["root_folder"]
        renew_authority(authority, root_folder=folder, root_passphrase=root.passphrase, now=now)
        until = authority.read_certificate("intermediate").not_valid_after_utc
        self.stdout.write(
            f"The CA's certificate is valid until {until:%Y-%m-%d}. Give the broker the new "
            f"{authority.folder}/gateways-ca.crt."
        )

    def _sign(self, options: dict[str, Any], now: datetime) -> None:
        file = options["file"]
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        certificate = issue.sign_request(read_signing_request(data), now=now)
        text = issue.read_chain(certificate)
        if options["out"]:
            write_file(options["out"], text)
            self.stdout.write(_describe(certificate))
        else:
            self.stdout.write(text.decode())

    def _issue(self, options: dict[str, Any], now: datetime) -> None:
        folder, archive = options["folder"], options["zip"]
        mac = _read_mac(options["mac"])
        if folder and _is_valid(folder / f"{mac}.crt", now):
            self.stdout.write(f"{folder}/{mac}.crt is there already")
            return
        certificate, key = issue.issue_with_key(issue.find_gateway(mac), now=now)
        if archive:
            write_file(archive, issue.make_archive(certificate, key), mode=0o600)
        else:
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_file(folder / f"{mac}.key", issue.encode_key(key), mode=0o600)
            write_file(folder / f"{mac}.crt", issue.read_chain(certificate))
        self.stdout.write(_describe(certificate))

    def _revoke(self, options: dict[str, Any], now: datetime) -> None:
        which = options["which"]
        mac = read_mac(which)
        rows = Certificate.objects.filter(revoked_at=None)
        rows = rows.filter(gateway__mac=mac) if mac else rows.filter(serial=which.lower().zfill(40))
        found = list(rows)
        if not found:
            raise CertificateError(
                f"{which!r}: expected the serial of a certificate that is not revoked, or the MAC "
                "of a gateway that has one"
            )
        for certificate in found:
            revocation.revoke_certificate(certificate, reason=options["reason"], now=now)
            self.stdout.write(f"revoked {certificate}")

    def _lot(self, options: dict[str, Any], now: datetime) -> None:
        name = options["name"]
        if options["close"]:
            lot = Lot.objects.filter(name=name).first()
            if lot is None:
                raise CertificateError(f"there is no lot {name!r}")
            closed = lots.close_lot(lot, now=now)
            self.stdout.write(f"lot {name} is closed" + ("" if closed else " already"))
            return
        for option in ("gateways", "days"):
            if options[option] < 1:
                raise CertificateError(f"--{option} {options[option]}: expected 1 or more")
        folder = options["folder"]
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lot, certificate, key = lots.open_lot(
            name, days=options["days"], max_gateways=options["gateways"], now=now
        )
        write_file(folder / f"lot-{name}.key", issue.encode_key(key), mode=0o600)
        write_file(folder / f"lot-{name}.crt", certificate)
        self.stdout.write(
            f"lot {name}: at most {lot.max_gateways} gateways, until {lot.not_after:%Y-%m-%d}"
        )

    def _crl(self, _options: dict[str, Any], now: datetime) -> None:
        count = revocation.write_crl(now=now)
        path = open_authority(read_options(CertificateOptions)).crl_file
        self.stdout.write(f"{path} lists {count} certificates")

    def _status(self, options: dict[str, Any], now: datetime) -> None:
        status = read_status(now=now)
        if options["json"]:
            self.stdout.write(json.dumps(asdict(status), cls=DjangoJSONEncoder))
        else:
            written = status.crl_written_at
            self.stdout.write(
                f"CA until {status.intermediate_until:%Y-%m-%d}; "
                f"{'can' if status.can_sign else 'cannot'} sign here\n"
                f"certificates: {status.valid} valid, {status.ending} of them end soon, "
                f"{status.revoked} revoked\n"
                f"gateways whose certificate has ended: {status.ended}\n"
                f"revocation list: {f'{written:%Y-%m-%d %H:%M:%S} UTC' if written else 'none'}"
            )
            for problem in status.problems:
                self.stdout.write(f"problem: {problem}")
        if status.problems:
            sys.exit(EXIT_PROBLEMS)


def _read_mac(text: str) -> str:
    mac = read_mac(text)
    if mac is None:
        raise CertificateError(f"{text!r} is no MAC: expected six hex pairs as aa:bb:cc:dd:ee:ff")
    return mac


def _is_valid(path: Path, now: datetime) -> bool:
    """Whether a file begins with a certificate that we issued and that is valid."""
    try:
        found = x509.load_pem_x509_certificate(path.read_bytes())
    except (FileNotFoundError, ValueError):
        return False
    rows = Certificate.objects.filter(serial=format_serial(found.serial_number))
    return any(row.get_state(now=now) == "valid" for row in rows)


def _describe(certificate: Certificate) -> str:
    return (
        f"{certificate.common_name}: certificate {certificate.serial}, valid until "
        f"{certificate.not_after:%Y-%m-%d}"
    )
