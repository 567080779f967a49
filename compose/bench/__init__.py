"""`manage.py bench`: what the real system does, on servers and data of its own.

drain.py    a backlog in the broker, then bridge and pool start: how fast, at what cost?
rig.py      servers and processes of a run, CPU time by the operating system's accounting
floor.py    the same backlog taken by mosquitto_sub: what the broker alone can give
naive.py    the same messages, one task each, through the ORM: how such systems are usually written
results.py  medians, the table, the JSON with machine and commit
"""
