// SPDX-License-Identifier: Apache-2.0
// What is kept of messages, and where a copy goes.
#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>

#include "controlplane/config/load.h"

namespace sallyport::config {
namespace {

std::string with(const std::string& more) {
  return "dataplane: {ports: {p: {device: net_null}}}\nrealms: {r: {port: p, addresses: [192.0.2.1/24]}}\n" +
         more;
}

std::string faults_of(const std::string& more) {
  const auto config = load(with(more));
  return config ? "" : format_faults("f", config.error());
}

TEST(TraceSection, Has_defaults_that_keep_and_send_nothing_away) {
  const auto config = load(with(""));
  ASSERT_TRUE(config.has_value());
  EXPECT_EQ(config->trace.ring_bytes, 16u << 20);
  EXPECT_EQ(config->trace.failed_bytes, 4u << 20);
  EXPECT_EQ(config->trace.media_bytes, 4u << 20);
  EXPECT_FALSE(config->trace.hep.has_value());
}

TEST(TraceSection, Reads_sizes_off_and_the_server) {
  const std::string file = std::string(::testing::TempDir()) + "hep.secret";
  std::ofstream(file) << "s3cret\n";
  const auto config =
      load(with("trace: {ring: 1GiB, failed: off, media: 512KiB, hep: {server: \"192.0.2.50:9060\", id: 7, "
                "password_file: " +
                file + "}}\n"));
  std::remove(file.c_str());
  ASSERT_TRUE(config.has_value()) << format_faults("f", config.error());
  EXPECT_EQ(config->trace.ring_bytes, std::size_t{1} << 30);
  EXPECT_EQ(config->trace.failed_bytes, 0u);
  EXPECT_EQ(config->trace.media_bytes, 512u << 10);
  EXPECT_EQ(config->trace.hep->server.to_text(), "192.0.2.50:9060");
  EXPECT_EQ(config->trace.hep->id, 7u);
  EXPECT_EQ(config->trace.hep->password, "s3cret");
}

TEST(TraceSection, Tells_each_fault_at_its_place) {
  EXPECT_EQ(faults_of("trace:\n  ring: 16\n  failed: 1KiB\n  media: 5TiB\n  size: 1MiB\n"),
            "f:4:9: trace.ring: must be a size from 256KiB to 4GiB, or off, not '16'\n"
            "f:5:11: trace.failed: must be a size from 256KiB to 4GiB, or off, not '1KiB'\n"
            "f:6:10: trace.media: must be a size from 256KiB to 4GiB, or off, not '5TiB'\n"
            "f:7:3: trace: unknown key 'size'\n");
  EXPECT_EQ(faults_of("trace: {ring: off, hep: {server: \"192.0.2.50:9060\"}}\n"),
            "f:3:25: trace.hep: takes its messages from 'ring', which is off\n");
  EXPECT_EQ(faults_of("trace: {hep: {id: 1}}\n"), "f:3:14: trace.hep: needs 'server'\n");
  EXPECT_EQ(faults_of("trace: {hep: {server: homer, password_file: /nowhere/x}}\n"),
            "f:3:23: trace.hep.server: must be an IP address and a port, such as \"127.0.0.1:9464\" or "
            "\"[::1]:9464\", not 'homer'\n"
            "f:3:45: trace.hep.password_file: cannot be read: '/nowhere/x'\n");
}

}  // namespace
}  // namespace sallyport::config
