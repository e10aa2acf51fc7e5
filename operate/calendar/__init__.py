"""OTHER SOURCES OF BUSINESS DAYS: the government's list, a bank's own table, and where they differ from ours."""
