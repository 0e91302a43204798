"""Land-surface temperature: from radiance to a composite."""
