"""Predictions on tables, from data to a served model."""
