"""ONE RUN: its settings, its gate, its calendar, its exit code, and its row in the ledger."""
