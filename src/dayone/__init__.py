"""dayone starts an AI proof of concept as the production system it may become."""

__version__ = "0.1.0"
