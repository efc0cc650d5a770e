"""The parameter server: workers and servers of one node around a shared arena. Knows neither Ray nor MLflow."""
