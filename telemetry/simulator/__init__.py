"""A simulated fleet that publishes over MQTT, and what must come of it. Begin with simulate.py."""
