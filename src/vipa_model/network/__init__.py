"""The network: two encoders, fusion, language model, action head."""
