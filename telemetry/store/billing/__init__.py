"""Closing of months, and their report."""
