"""Enrolment over Secure Transport (RFC 7030) for gateways: a process of its own, with client
certificates. `views.py` is the first file to read."""
