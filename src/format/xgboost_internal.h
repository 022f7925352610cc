/* Of xgboost.c and xgboost_binary.c alone. */
#ifndef ENG_FORMAT_XGBOOST_INTERNAL_H
#define ENG_FORMAT_XGBOOST_INTERNAL_H

#include "format/xgboost.h"

eng_status eng_xgboost_read_binary(eng_str bytes, eng_arena *arena, eng_xgboost *out,
                                   eng_error *err) ENG_MUST_CHECK;

#endif
