"""How an edition becomes HTML and text, once for all readers."""
