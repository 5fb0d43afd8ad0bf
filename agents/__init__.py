"""Who acts in a world: the Mesa model."""
