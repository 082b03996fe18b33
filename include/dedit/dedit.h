// All of the library.
#pragma once

#include "dedit/cancel.h"
#include "dedit/compare.h"
#include "dedit/control.h"
#include "dedit/error.h"
#include "dedit/geometry.h"
#include "dedit/image.h"
#include "dedit/info.h"
#include "dedit/lint.h"
#include "dedit/mask.h"
#include "dedit/model.h"
#include "dedit/param.h"
#include "dedit/prompt.h"
#include "dedit/request.h"
#include "dedit/schedule.h"
#include "dedit/tensor_value.h"
