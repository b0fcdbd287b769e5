// SPDX-License-Identifier: Apache-2.0
// Whatever a name server says: bounded lists, names that are names, and a procedure that ends.
#include <cstdlib>
#include <span>

#include "controlplane/resolver/dns_message.h"

using namespace sallyport::resolver;

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  for (const RecordType type : {RecordType::a, RecordType::aaaa, RecordType::srv, RecordType::naptr}) {
    const Answer answer = read_answer({data, size}, {"x.test", type});
    const std::size_t records = answer.addresses.size() + answer.srv.size() + answer.naptr.size();
    if (records > kMostRecords) std::abort();
    if ((answer.kind == AnswerKind::records) != (records != 0)) std::abort();
    for (const SrvRecord& srv : answer.srv) {
      if (srv.target.size() > 253 || (srv.port == 0 && !srv.target.empty())) std::abort();
    }
  }
  return 0;
}
