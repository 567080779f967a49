"""E-mail to users. A page queues it (`outbox`), a maintenance worker writes and sends it (`write`).

So no answer of a page tells by its time whether an address has a user, and no page waits for a mail
server. A task carries ids and addresses; secrets of links are made by the worker.
"""
