"""`make bench`: what the real system does, on servers and data of its own.

drain.py    a backlog in the broker, then bridge and pool start: how fast, at what cost?
sustain.py  the highest rate without a growing backlog
latency.py  from the publication to the committed row, and CPU time a message
batch.py    CPU time of a batch by process, and by stage (timed.py)
faults.py   PostgreSQL killed, bridge and pool killed, under load: what is lost, what takes how long
scale.py    the drain with more workers, bridges, rows or gateways
memory.py   resident memory through a long run
aggregates.py  a refresh after late readings, and the queries of pages; ask.py asks
dashboard.py   pages and API by themselves (alone.py, addresses.py), and for members who look on
            while messages arrive (crowd.py); visitor.py asks, accounts.py has what is looked at
flow.py     messages that flow at a rate; load.py generates them
rig.py      servers and processes of a run, CPU time by the operating system's accounting
floor.py    the same backlog taken by mosquitto_sub: what the broker alone can give
naive.py    the same messages, one task each, through the ORM: how such systems are usually written
results.py  medians, the table, the JSON with machine and commit
"""
