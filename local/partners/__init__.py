"""PARTNERS WITHOUT A PARTNER: one simulator a partner, found by the last word of a feed's `partner=` (`simulators`)."""
