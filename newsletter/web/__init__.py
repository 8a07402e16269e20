"""What the product shows in a browser."""
