"""What other programs may do here: the tokens that they come with, and what they see and change."""
