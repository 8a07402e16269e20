"""Messages that come back by mail: what they say, about whom, and how they are fetched."""
