// SPDX-License-Identifier: Apache-2.0
#include "sdp_rewriter/rewrite.h"

#include <algorithm>
#include <array>

#include "dataplane/base/address_scan.h"
#include "sdp_rewriter/attributes.h"
#include "sdp_rewriter/fields.h"

namespace sallyport::sdp {
namespace {

// Attributes whose value starts with the format that they speak of (RFC 8866 6.6, 6.15; RFC 4585 4.2; RFC
// 6236; 3GPP TS 26.114 for framesize).
constexpr std::array<std::string_view, 5> kOfFormat{"rtpmap", "fmtp", "rtcp-fb", "imageattr", "framesize"};

class Writer {
 public:
  Writer(const Description& description, const Plan& plan)
      : description_(description), plan_(plan), session_address_(choose_session_address()) {
    out_.reserve(description.text().size() + 256);
    const auto lines = description.lines();
    if (!lines.empty() && !lines.front().end.empty()) default_end_ = lines.front().end;
  }

  std::string run() {
    write_session();
    for (std::size_t i = 0; i < description_.streams().size(); ++i) write_stream(i);
    return std::move(out_);
  }

 private:
  [[nodiscard]] const StreamPlan* plan_of(std::size_t index) const {
    if (index >= plan_.streams.size() || description_.streams()[index].disabled()) return nullptr;
    const StreamPlan& plan = plan_.streams[index];
    return plan.refused || !plan.local ? nullptr : &plan;
  }

  [[nodiscard]] IpAddress choose_session_address() const {
    for (std::size_t i = 0; i < description_.streams().size(); ++i) {
      if (const StreamPlan* plan = plan_of(i)) return plan->local.address;
    }
    return plan_.address ? plan_.address : IpAddress::v4(0);
  }

  void line(std::string_view text, std::string_view end) {
    out_.append(text).append(end.empty() ? default_end_ : end);
  }
  void keep(const Line& l) { line(l.text, l.end); }
  void write_address(const IpAddress& address, std::string_view end) {
    out_.append(address.is_v6() ? "IN IP6 " : "IN IP4 ").append(address.to_text());
    out_.append(end.empty() ? default_end_ : end);
  }
  void write_connection(const IpAddress& address, std::string_view end) {
    out_.append("c=");
    write_address(address, end);
  }

  void write_origin(std::string_view end) {
    out_.append("o=").append(plan_.username.empty() ? "-" : plan_.username).append(" ");
    out_.append(std::to_string(plan_.session_id))
        .append(" ")
        .append(std::to_string(plan_.session_version))
        .append(" ");
    write_address(plan_.address ? plan_.address : session_address_, end);
    if (!description_.has_session_name()) line("s=-", end);
  }

  // RFC 8866 5: t= stands before z=, k= and a=. Readers insist on it, so one that is missing is added.
  void write_missing_time() {
    if (!time_written_ && !description_.has_time()) line("t=0 0", {});
    time_written_ = true;
  }

  void write_session() {
    bool connection_written = false;
    for (const Line& l : description_.session_lines()) {
      if (l.type == 'z' || l.type == 'k' || l.type == 'a') write_missing_time();
      switch (l.kind) {
        case LineKind::origin:
          write_origin(l.end);
          break;
        case LineKind::session_name:
          plan_.keep_session_name ? keep(l) : line("s=-", l.end);
          break;
        case LineKind::information:
        case LineKind::identity:
        case LineKind::rtcp:
          break;
        case LineKind::connection:
          if (!connection_written) write_connection(session_address_, l.end);
          connection_written = true;
          break;
        default:
          keep_unless_removed(l);
      }
    }
    write_missing_time();
    session_has_connection_ = connection_written;
  }

  void keep_unless_removed(const Line& l) {
    const bool removed = l.kind == LineKind::reveals || l.kind == LineKind::identity ||
                         (l.kind == LineKind::ice && plan_.strip_ice) ||
                         (l.kind == LineKind::bundle && plan_.unbundle);
    if (removed) return;
    if (!tells_of_its_side(l)) {
      keep(l);
    } else if (l.type == 't') {
      line("t=0 0", l.end);  // there has to be one (RFC 8866 5.9)
    }
  }

  // Whatever the line is for: no address that this side's own lines name, and no private one, leaves it.
  [[nodiscard]] bool tells_of_its_side(const Line& l) const {
    if (l.kind == LineKind::ice) return false;  // candidates are addresses: who lets ICE pass wants them
    return has_address(l.text, [&](const IpAddress& found) {
      const auto is_it = [&](const Connection& each) { return each.address.unmapped() == found; };
      const auto has_it = [&](const Stream& each) { return std::ranges::any_of(each.connections, is_it); };
      return found.is_private() || IpAddress::parse(description_.origin().host) == found ||
             std::ranges::any_of(description_.session_connections(), is_it) ||
             std::ranges::any_of(description_.streams(), has_it);
    });
  }

  // The lines of a stream in their order. What has to be there and was not is added: c= where its place is,
  // below m= and i=, the rest at the end.
  struct StreamState {
    IpAddress address;
    const StreamPlan* plan = nullptr;
    bool connection_due = false;
    bool rtcp_due = false;
    std::optional<Direction> direction_due;
  };

  [[nodiscard]] StreamState begin_stream(std::size_t index) const {
    const Stream& stream = description_.streams()[index];
    StreamState state;
    state.plan = plan_of(index);
    state.address = state.plan ? state.plan->local.address : session_address_;
    state.connection_due =
        stream.own_connection || !session_has_connection_ || state.address != session_address_;
    if (!state.plan) return state;
    state.rtcp_due = rtcp_line_due(*state.plan);
    const Direction direction = state.plan->direction.value_or(stream.effective_direction());
    if (direction != stream.direction) state.direction_due = direction;
    return state;
  }

  static bool rtcp_line_due(const StreamPlan& plan) {
    if (!plan.rtcp || plan.rtcp_line == RtcpLine::remove) return false;
    if (plan.rtcp_line == RtcpLine::write) return true;
    const bool next_port = plan.rtcp.address == plan.local.address && plan.rtcp.port == plan.local.port + 1;
    return !next_port && plan.rtcp != plan.local;
  }

  void write_stream(std::size_t index) {
    const Stream& stream = description_.streams()[index];
    StreamState state = begin_stream(index);
    const bool replaces_direction = state.direction_due.has_value();
    write_media(stream, state);
    for (const Line& l : stream.lines.subspan(1)) {
      if (speaks_of_removed_format(stream, state, l)) continue;
      if (!stream.own_connection && l.kind != LineKind::information) write_due_connection(state, {});
      switch (l.kind) {
        case LineKind::connection:
          write_due_connection(state, l.end);
          break;
        case LineKind::rtcp:
          write_due_rtcp(state, l.end);
          break;
        case LineKind::direction:
          replaces_direction ? write_due_direction(state, l.end) : keep(l);
          break;
        default:
          keep_unless_removed(l);
      }
    }
    write_due_connection(state, {});
    write_due_rtcp(state, {});
    write_due_direction(state, {});
  }

  static bool speaks_of_removed_format(const Stream& stream, const StreamState& state, const Line& l) {
    if (state.plan == nullptr || !state.plan->formats || l.type != 'a') return false;
    const AttributeText attribute = split_attribute(l.value);
    const auto is_its = [&](std::string_view known) { return equal_nocase(attribute.name, known); };
    if (std::ranges::none_of(kOfFormat, is_its)) return false;
    std::string_view rest = attribute.value;
    const std::string_view format = next_word(rest);
    const auto written = [&](std::uint16_t position) { return stream.formats[position].text == format; };
    const auto stood = [&](const Format& each) { return each.text == format; };
    return std::ranges::any_of(stream.formats, stood) && std::ranges::none_of(*state.plan->formats, written);
  }

  // All but the port and, where the plan chooses them, the formats stands as it stood.
  void write_media(const Stream& stream, const StreamState& state) {
    const Line& l = stream.lines.front();
    const auto port_start = static_cast<std::size_t>(stream.port_text.data() - l.text.data());
    out_.append(l.text.substr(0, port_start));
    out_.append(std::to_string(state.plan ? state.plan->local.port : 0));
    const std::size_t port_end = port_start + stream.port_text.size();
    if (!state.plan || !state.plan->formats) return line(l.text.substr(port_end), l.end);
    const auto formats_start = static_cast<std::size_t>(stream.formats.front().text.data() - l.text.data());
    out_.append(l.text.substr(port_end, formats_start - port_end));
    for (const std::uint16_t position : *state.plan->formats) {
      if (out_.back() != ' ' && out_.back() != '\t') out_.append(" ");
      out_.append(stream.formats[position].text);
    }
    line({}, l.end);
  }

  void write_due_connection(StreamState& state, std::string_view end) {
    if (state.connection_due) write_connection(state.address, end);
    state.connection_due = false;
  }

  void write_due_rtcp(StreamState& state, std::string_view end) {
    if (!state.rtcp_due) return;
    state.rtcp_due = false;
    out_.append("a=rtcp:").append(std::to_string(state.plan->rtcp.port));
    if (state.plan->rtcp.address == state.address) return line({}, end);
    out_.append(" ");
    write_address(state.plan->rtcp.address, end);
  }

  void write_due_direction(StreamState& state, std::string_view end) {
    if (!state.direction_due) return;
    out_.append("a=");
    line(name(*state.direction_due), end);
    state.direction_due.reset();
  }

  const Description& description_;
  const Plan& plan_;
  IpAddress session_address_;
  std::string out_;
  std::string_view default_end_ = "\r\n";
  bool session_has_connection_ = false;
  bool time_written_ = false;
};

}  // namespace

std::string rewrite(const Description& description, const Plan& plan) {
  return Writer(description, plan).run();
}

std::string with_version(std::string_view text, std::uint64_t version) {
  std::string out(text);
  const std::size_t origin = out.find("\no=");
  if (origin == std::string::npos) return out;
  const std::size_t id = out.find(' ', origin + 3);
  const std::size_t begin = id == std::string::npos ? id : out.find(' ', id + 1);
  const std::size_t end = begin == std::string::npos ? begin : out.find(' ', begin + 1);
  if (end != std::string::npos) out.replace(begin + 1, end - begin - 1, std::to_string(version));
  return out;
}

}  // namespace sallyport::sdp
