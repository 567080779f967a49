"""The page "Meter changed" of a device."""
