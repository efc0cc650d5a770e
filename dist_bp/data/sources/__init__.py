"""Sources of raw data, one a file; paths are relative to the working directory."""
