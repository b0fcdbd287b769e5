# SPDX-License-Identifier: Apache-2.0
"""Judges the lab: drives real SIPp in the namespaces, captures, and gives verdicts from what was on the wire.

Theory of operation: `netns` enters hosts, `capture` and `pcap` bring packets, `sip` and `rtp` make messages, legs and
streams of them, `metrics` and `sockets` read what the process says and holds, `verdicts` are pure functions over all
that. `batches` says which calls are placed, `demo` runs them. Debian's python3 only.
"""
