"""Where the processes of a run live: threads of this process, or actors of a Ray cluster."""
