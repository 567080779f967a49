"""`make up` without a container engine: `python -m compose.local`.

commands/    what make calls: up, down, status, clean
stack/       what was asked for (request), what runs then (plan, programs), its settings and health
supervisor/  the processes: how supervisor starts, stops and restarts them, and what is left behind
servers/     PostgreSQL, Redis and Mosquitto in a root filesystem of their own
"""
