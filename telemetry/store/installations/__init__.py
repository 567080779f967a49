"""The meters at a device: which measured when, and what a change of one would do."""
