// SPDX-License-Identifier: Apache-2.0
// What a benchmark hands to perf/run: named series of samples and single numbers, as one JSON object on
// stdout. Medians and ratios are made there, from the samples of all runs.
#pragma once

#include <cstdio>
#include <map>
#include <string>
#include <vector>

namespace sallyport::perf {

class Results {
 public:
  void add(const std::string& name, double sample) { series_[name].push_back(sample); }
  void print() const {
    std::printf("{");
    const char* comma = "";
    for (const auto& [name, samples] : series_) {
      std::printf("%s\"%s\": [", comma, name.c_str());
      comma = ", ";
      for (std::size_t i = 0; i < samples.size(); ++i) std::printf("%s%.3f", i == 0 ? "" : ", ", samples[i]);
      std::printf("]");
    }
    std::printf("}\n");
  }

 private:
  std::map<std::string, std::vector<double>> series_;
};

// The compiler has to assume that `value` is looked at.
template <typename T>
inline void keep(const T& value) {
  asm volatile("" : : "g"(&value) : "memory");
}

}  // namespace sallyport::perf
