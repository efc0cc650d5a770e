"""Files of named columns: read in blocks of typed or text cells, which all commands take for the same."""
