"""Training jobs on a Ray cluster, through the Ray Jobs API."""
