"""ECG deep learning, as a reproducible study."""
