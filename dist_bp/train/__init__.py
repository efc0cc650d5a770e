"""One training job: leases, epochs, evaluation, stopping, checkpoints."""
