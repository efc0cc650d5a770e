"""The parameter server: workers and servers around the shared arena of a node, servers that exchange slices between
nodes. Knows neither Ray nor MLflow."""
