"""What forms on the public pages take: read strictly, kept for a time, handed to the team, let go."""
