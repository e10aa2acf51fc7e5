"""WHAT A PERSON TYPES: the `feedfall` command. It parses words, calls one function of operate/ and shows the answer."""
