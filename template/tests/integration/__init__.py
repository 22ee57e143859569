"""What the project reads and writes, against real servers on this machine: nox -s integration."""
