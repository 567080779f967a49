"""Changes of the meter at a device, for pages, API and admin. Begin with changing.py."""
