"""What stops the simulator with one line."""


class SimulatorError(Exception):
    """A wrong option, a broker that refuses the gateways, a fleet that is not there."""
