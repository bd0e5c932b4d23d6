"""Leave a Django monolith one capability at a time, with a way back at every step."""
