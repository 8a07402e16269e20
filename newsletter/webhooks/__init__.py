"""Tells other programs what happened: calls that are queued with what they tell, signed, and tried again."""
