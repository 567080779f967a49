"""Failover under load, each server on a host of its own: `python -m tests.failover`."""
