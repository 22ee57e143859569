"""Watching a model in use: what is asked of it, what it says, and what came true."""
