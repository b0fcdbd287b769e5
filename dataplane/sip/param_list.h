// SPDX-License-Identifier: Apache-2.0
// A list of parameters read in one go, so that who checks it and who looks for one do so in the same pass.
// For this room only.
#pragma once

#include "dataplane/sip/cursor.h"
#include "dataplane/sip/params.h"

namespace sallyport::sip {

// [EQUAL gen-value]; false when the value is malformed.
[[nodiscard]] inline bool read_param_value(Cursor& cursor, Param& param) {
  if (!cursor.accept_separator('=')) return true;
  param.has_value = true;
  if (!cursor.at('"')) {
    param.value = cursor.take_run(kParamValue);
    return true;
  }
  param.value = cursor.take_quoted();
  return !param.value.empty();
}

enum class ParamStep : std::uint8_t { one, end, malformed };

// The next parameter of a list, with its leading ';' if there is one and the white space round it.
[[nodiscard]] inline ParamStep read_param(Cursor& cursor, Param& param) {
  cursor.skip_lws();
  if (cursor.at_end()) return ParamStep::end;
  if (cursor.accept(';')) cursor.skip_lws();
  param.name = cursor.take_run(kParamName);
  if (param.name.empty() || !read_param_value(cursor, param)) return ParamStep::malformed;
  cursor.skip_lws();
  return cursor.at_end() || cursor.at(';') ? ParamStep::one : ParamStep::malformed;
}

// Gives each parameter of what is left to `take`, which returns false to end it. True when the list is
// well-formed and `take` has taken all of it.
template <typename Take>
[[nodiscard]] bool take_params(Cursor& cursor, Take take) {
  for (;;) {
    Param param;
    const ParamStep step = read_param(cursor, param);
    if (step != ParamStep::one) return step == ParamStep::end;
    if (!take(param)) return false;
  }
}

}  // namespace sallyport::sip
