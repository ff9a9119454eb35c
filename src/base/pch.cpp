// Carries the precompiled header of the whole tree.
