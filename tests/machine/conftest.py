"""What needs a package of the system: played by `python -m pytest tests/machine`, never by `make test`."""
