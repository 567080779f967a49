"""What can be wrong with a request, a certificate or the CA."""


class CertificateError(ValueError):
    """It cannot be issued, revoked or read. The text is one line and says what was expected.

    `AuthorityError` (the CA itself: folder, passphrase, expiry) is for the operator;
    `RequestError` (what a gateway asks for) is for whoever made the request.
    """


class AuthorityError(CertificateError):
    """The CA is missing, locked or about to end."""


class RequestError(CertificateError):
    """A signing request that is not accepted."""
