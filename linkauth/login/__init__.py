"""Authenticates users: sign-in, dispatch to backends, throttle, health checks and shadow comparisons."""
