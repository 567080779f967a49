"""Two hosts beside that of the servers, as network namespaces: `python -m tests.hosts`."""
