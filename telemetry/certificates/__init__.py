"""Certificates of gateways: an internal CA, requests, issuing, revocation; see README.md."""
