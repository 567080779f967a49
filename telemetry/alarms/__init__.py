"""What members do with alarms."""
