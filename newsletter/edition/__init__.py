"""What a writer writes: the edition, its blocks, and the file they live in."""
