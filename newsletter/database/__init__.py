"""Where subscribers and the ledger are kept: SQLite, or PostgreSQL."""
