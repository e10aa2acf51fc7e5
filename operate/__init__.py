"""WHAT A PERSON DOES AND ASKS: functions of values to values, which never print, parse a command line or exit."""
