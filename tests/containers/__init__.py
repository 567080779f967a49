"""The containers, run for real: `make test-containers`."""
