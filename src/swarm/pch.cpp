// Carries the precompiled header of the cluster.
