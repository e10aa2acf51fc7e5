"""The shared business days over HTTP: routes, answers, and what their fields mean."""
