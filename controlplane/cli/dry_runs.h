// SPDX-License-Identifier: Apache-2.0
// The commands that need no running process: they read a configuration and say what would be done. Each
// returns the exit status (0 well, 1 the configuration has faults, 2 the arguments do not fit it) and writes
// to `out` and `error`.
#pragma once

#include <iosfwd>
#include <string>

namespace sallyport::cli {

int check(const std::string& config_file, std::ostream& out, std::ostream& error);

struct MapArguments {
  std::string config;
  std::string from;
  std::string to;
  std::string local;
  std::string base;
  std::string code;  // as typed: 499, also 701
  std::string phrase;
  unsigned q850 = 0;
  unsigned warning = 0;
  bool json = false;
};
int map(const MapArguments& arguments, std::ostream& out, std::ostream& error);

struct RouteArguments {
  std::string config;
  std::string from;
  std::string calling;  // URI; empty: the next legs are not shown
  std::string uri;
  bool json = false;
};
int route(const RouteArguments& arguments, std::ostream& out, std::ostream& error);

struct NatArguments {
  std::string config;
  std::string peer;
  std::string source;
  std::string via;      // host of the top Via; empty: the source's
  std::string contact;  // host of the Contact; empty: the source's
  std::string file;     // "-": standard input
  bool json = false;
};
int nat(const NatArguments& arguments, std::ostream& out, std::ostream& error);

}  // namespace sallyport::cli
