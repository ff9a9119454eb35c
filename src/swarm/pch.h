// The precompiled header of the cluster's libraries: the common one and the messages of the store.
// It is not an interface: each file still includes what it uses.
#pragma once
#include "base/pch.h"

#include "swarm/proto/objects.pb.h"
