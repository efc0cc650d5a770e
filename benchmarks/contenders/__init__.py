"""What the processes of a comparison host, one contender a file."""
