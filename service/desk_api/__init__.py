"""The desk over HTTPS: every verb and question of the command line, for who has an address and a token alone.

cli/verbs.py ──hands in──▶ verbs    which there are, their parameters, and how one is done: the command itself
                          routes   POST /api/acts/hold …, GET /api/runs …, and their OpenAPI
                          tokens   who may do what
                          repeats  the same request a second time, after a lost answer
"""
