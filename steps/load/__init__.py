"""FROM MESSAGES TO ROWS: what a message says, whether it is time for it, and the lines that COPY takes."""
