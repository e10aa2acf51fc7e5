"""THE BOARD (상황판): the night desk in a browser: `feedfall serve --board` and the image of deploy/board.

    __main__ ──▶ app ──▶ guard      headers of each answer; a change must come from the board's own page
                  │ ├──▶ sign_in    who asks: an ID token (oidc), or a local session of a printed token (local_sessions)
                  │ ├──▶ pages      what is shown: tonight, feed, calendar, and what others fill (sources)
                  │ └──▶ do         a verb: its preview, its reason, its act
                  └────▶ picture    the Desk, read by one thread; a page never waits for a database

What a feed says is text. `html` escapes every value, makes what cannot be seen visible, and cuts what is too long.
"""
