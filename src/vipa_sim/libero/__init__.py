"""LIBERO and LIBERO-PRO: their own tasks, initial states and success checks, in an environment of their own, for any commander."""
