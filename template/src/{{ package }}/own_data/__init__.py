"""Put a person's own table in the place of the sample."""
