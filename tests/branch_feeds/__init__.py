"""Feeds of another domain, in a database of its own."""
