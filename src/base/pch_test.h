// What every unit test includes, parsed once. As pch.h, not an interface.
#pragma once
#include "base/pch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
