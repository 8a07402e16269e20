"""Looks whether everything that a mailing needs is in order, here and out in the world, and says what to do."""
