"""WHAT A PERSON DOES WITH CALENDARS: look, decide about days, compare with the government or with a bank's table."""
