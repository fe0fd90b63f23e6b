"""The parts of :mod:`ecgcore.train`: devices, randomness, losses, steps, folds, checkpoints."""
