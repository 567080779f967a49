"""The past of the demo fleet: its messages, and how it is loaded. Begin with load.py."""
