# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# The lab's hosts: namespaces, veth pairs, the access LAN's bridge and the NAT router. Sourced by deploy/lab.
#
#   sp-ua eth0 ── lan0 sp-nat wan0 ──┐                       ┌── access0 sp-sbc core0 ── eth0 sp-carrier
#                                    ├── br0 (in sp-lan) ────┘
#                     sp-pub eth0 ───┘
#
# sp-lan is no host: it holds the bridge that joins the access LAN. access0 and core0 carry no address:
# the addresses belong to the taps that Sallyport makes.

LAB_NAMESPACES=(sp-sbc sp-nat sp-ua sp-pub sp-carrier sp-lan)

in_ns() { ip netns exec "$@"; }

# A host's kernel must send whole checksums (Sallyport's side never sees the veth's promise to fill
# them in) and whole frames (no segmentation offload).
lab_wire_side() {
  local ns=$1 dev=$2
  in_ns "$ns" ethtool -K "$dev" tx off gso off gro off tso off >/dev/null 2>&1 ||
    in_ns "$ns" ethtool -K "$dev" tx off >/dev/null
  in_ns "$ns" ethtool -K "$dev" txvlan off rxvlan off >/dev/null 2>&1 || true
}

# lab_pair NS1 DEV1 NS2 DEV2
lab_pair() {
  ip link add "$2" netns "$1" type veth peer name "$4" netns "$3"
  lab_wire_side "$1" "$2"
  lab_wire_side "$3" "$4"
}

# lab_address NS DEV ADDR...
lab_address() {
  local ns=$1 dev=$2 addr
  shift 2
  for addr in "$@"; do
    if [[ $addr == *:* ]]; then
      ip -n "$ns" -6 addr add "$addr" dev "$dev" nodad
    else
      ip -n "$ns" addr add "$addr" dev "$dev"
    fi
  done
  ip -n "$ns" link set "$dev" up
}

lab_net_up() {
  local ns dev
  for ns in "${LAB_NAMESPACES[@]}"; do
    ip netns add "$ns"
    # No chatter of the kernels' own: every frame in a capture was sent by somebody on purpose.
    in_ns "$ns" sysctl -qw net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0 \
      net.ipv6.conf.default.accept_ra=0 net.ipv6.conf.default.autoconf=0 net.ipv4.conf.all.rp_filter=0 \
      net.ipv4.conf.default.rp_filter=0
    ip -n "$ns" link set lo up
  done
  in_ns sp-sbc sysctl -qw net.ipv4.ip_forward=0 net.ipv6.conf.all.forwarding=0

  lab_pair sp-sbc access0 sp-lan sbc0
  lab_pair sp-sbc core0 sp-carrier eth0
  lab_pair sp-nat wan0 sp-lan nat0
  lab_pair sp-pub eth0 sp-lan pub0
  lab_pair sp-ua eth0 sp-nat lan0

  for dev in access0 core0; do
    in_ns sp-sbc sysctl -qw "net.ipv6.conf.$dev.disable_ipv6=1"
    ip -n sp-sbc link set "$dev" up
  done

  in_ns sp-lan sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
  ip -n sp-lan link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0
  for dev in sbc0 nat0 pub0; do
    ip -n sp-lan link set "$dev" master br0 up
  done
  ip -n sp-lan link set br0 up

  lab_address sp-nat wan0 198.51.100.2/24
  lab_address sp-nat lan0 10.20.0.1/24
  lab_address sp-ua eth0 10.20.0.10/24
  lab_address sp-pub eth0 198.51.100.20/24 2001:db8:1::20/64
  lab_address sp-carrier eth0 192.0.2.10/24 192.0.2.11/24 2001:db8:2::10/64
  ip -n sp-ua route add default via 10.20.0.1
  lab_nat
}

# The NAT router: masquerade, and how long an idle UDP mapping lives (LAB_NAT_UDP_TIMEOUT seconds).
lab_nat() {
  in_ns sp-nat sysctl -qw net.ipv4.ip_forward=1
  in_ns sp-nat nft -f - <<'NFT'
table ip lab_nat {
  chain forward {
    type filter hook forward priority 0; policy drop;
    iifname "lan0" accept
    ct state established,related accept
  }
  chain post {
    type nat hook postrouting priority 100; policy accept;
    oifname "wan0" masquerade
  }
}
NFT
  lab_nat_timeout "${LAB_NAT_UDP_TIMEOUT:-30}" "${LAB_NAT_UDP_TIMEOUT:-120}"
}

lab_nat_timeout() {
  in_ns sp-nat sysctl -qw "net.netfilter.nf_conntrack_udp_timeout=$1" \
    "net.netfilter.nf_conntrack_udp_timeout_stream=$2"
}

# Ends what still runs in a namespace (by pid, from the kernel's own list), then the namespace.
lab_net_down() {
  local ns pids try
  for ns in "${LAB_NAMESPACES[@]}"; do
    [[ -e /run/netns/$ns ]] || continue
    for try in 1 2 3 4 5; do
      pids=$(ip netns pids "$ns" 2>/dev/null || true)
      [[ -n $pids ]] || break
      # shellcheck disable=SC2086
      if [[ $try -le 2 ]]; then kill -TERM $pids 2>/dev/null || true; else kill -KILL $pids 2>/dev/null || true; fi
      sleep 0.2
    done
    ip netns del "$ns" 2>/dev/null || true
  done
}
