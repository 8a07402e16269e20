"""Who the newsletter goes to: subscribers, lists, and the way they come in."""
