"""THE DRAIN: from the checkpoint to the end of the log, chunk by chunk, by one run at a time."""
