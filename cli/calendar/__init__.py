"""`feedfall calendar`: its commands, and how a month is drawn."""
