"""REQUESTS TO A PARTNER: read from Kafka, sent over HTTP, answers written to Kafka. Machinery of relay."""
