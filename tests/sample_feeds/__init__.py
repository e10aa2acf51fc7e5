"""Feeds that only tests have: each is there for one difficulty."""
