"""WHAT A PERSON ASKS AND ORDERS: functions of values to values, which never print, parse a command line or exit."""
