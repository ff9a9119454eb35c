// As pch.h, for the cluster's unit tests.
#pragma once
#include "base/pch_test.h"

#include "swarm/proto/objects.pb.h"
