"""roofnet: a small convolutional net that finds roofs in aerial images."""
