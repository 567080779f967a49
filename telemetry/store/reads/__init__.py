"""What pages, API and exports read."""
