"""`make chaos`: faults under load on a stack of its own, and proof that nothing was lost.

schedule.py  which faults, when (pure: the seed decides everything)
faults.py    how each fault is caused and healed, with pauses, clocks, disks, redis_faults
corruption.py  files that are damaged on purpose; damage.py: what must hold then
proxy.py     a TCP proxy between each two parts: cuts and stalls
stack.py     servers, proxies and processes, with a supervisor that starts again what died
check.py     whether every acknowledged message is where it must be, for check_schedule.py
parallel.py  several stacks side by side
run.py       one schedule after the other
report.py    the table and the JSON
"""
