"""Sun: horizon, irradiance, yield, layout."""
