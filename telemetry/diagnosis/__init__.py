"""Why has this gateway, or this device, no data? Each step of a reading's way, checked.

`checks.py` is the first file to read; `facts.py` asks the database and Redis.
"""
