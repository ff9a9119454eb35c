// What every unit test includes, parsed once. Tests are compiled without optimisation, which halves
// their compile time: what they test is in the libraries, with the flags of the product.
#pragma once
#include "base/pch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
