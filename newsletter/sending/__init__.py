"""How messages are written, recorded in the ledger and handed to the world."""
