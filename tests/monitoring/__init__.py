"""Alert rules and dashboard on a running system, with a real Prometheus."""
