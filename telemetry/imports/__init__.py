"""Import of history from files; README.md says how it works; begin with import_file.py."""
