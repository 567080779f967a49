"""Backup of the whole state: every table, and what waits in Redis, in one file.

archive.py  the file: a tar of compressed pieces, with a list of contents at its end
queue.py    Redis's part
tables.py   the database's part
transfer.py write a backup while the system runs; load one into an empty system
"""
