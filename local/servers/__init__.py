"""KAFKA AND POSTGRESQL WITHOUT DOCKER: real servers out of pip packages, and processes that end with their owner."""
