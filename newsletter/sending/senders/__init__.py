"""The adapters that hand messages to the world, one file each."""
