"""WHAT A PERSON DOES: the `feedfall` command. Doors here are thin: they ask the rooms below and show the answer."""
