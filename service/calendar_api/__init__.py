"""The shared business days over HTTP: its routes, its answers, and what their fields mean."""
