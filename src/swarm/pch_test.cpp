// Carries the precompiled header of the cluster's unit tests.
