"""What came back about messages, whoever told it, and what follows from it."""
