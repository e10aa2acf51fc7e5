"""What is usually written in sub's place, on the same servers and messages, with sub's own fetch settings.

one_by_one   poll a message, INSERT it, commit the row, commit the offset
daemon       consume 500, write them, commit the rows, then commit the offsets

Neither validates, quarantines, says where a row came from, or keeps books. What a daemon has: no start to pay, so its
clock begins with its first message, while sub's is a whole process, from exec to exit.
"""
