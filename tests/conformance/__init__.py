"""One suite a port, over every engine."""
