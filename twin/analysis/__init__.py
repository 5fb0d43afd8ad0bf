"""Analysis on the twin: paths, pictures, forecasts."""
