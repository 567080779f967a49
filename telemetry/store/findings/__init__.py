"""Findings: the rules of `telemetry/core/findings.py` over what is stored. Rules in README.md."""
