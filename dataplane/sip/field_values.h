// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <optional>
#include <string_view>

#include "dataplane/sip/message_index.h"
#include "dataplane/sip/params.h"

namespace sallyport::sip {

// Walks every value of a header field that may be repeated or comma-separated (Via, Contact, Route,
// Record-Route, Supported...), in the order in which they stand in the message, over all its lines
// (RFC 3261 7.3.1). An empty element between commas comes out as an empty value.
class FieldValues {
 public:
  FieldValues(const MessageIndex& index, std::string_view message, HeaderId id)
      : index_(&index), message_(message), field_(index.find(id)), reader_(text()) {}

  [[nodiscard]] std::optional<std::string_view> next() {
    while (field_ != nullptr) {
      if (const auto value = reader_.next()) return value;
      field_ = index_->next(*field_);
      reader_ = ValueReader(text());
    }
    return std::nullopt;
  }

 private:
  [[nodiscard]] std::string_view text() const {
    return field_ == nullptr ? std::string_view{} : field_->value.in(message_);
  }

  const MessageIndex* index_;
  std::string_view message_;
  const HeaderField* field_;
  ValueReader reader_;
};

}  // namespace sallyport::sip
