"""`feedfall calendar`: its commands, and a month as it hangs on a wall."""
