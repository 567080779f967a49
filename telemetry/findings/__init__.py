"""Findings decided: accepted, ignored, or put right by an edit."""
