# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Hugepages for the lab: reserve what is missing, remember what was there before, give it back. Sourced by deploy/lab.

LAB_HUGEPAGES=${LAB_HUGEPAGES:-512}

# Where pages cannot be had the lab goes on: 'memory: auto' falls back to AF_PACKET.
lab_memory_up() {
  local before free now
  before=$(cat /proc/sys/vm/nr_hugepages 2>/dev/null) || { echo "lab: no hugepages on this kernel" >&2; return 0; }
  free=$(awk '/^HugePages_Free/ {print $2}' /proc/meminfo)
  if ((LAB_HUGEPAGES > 0 && free < LAB_HUGEPAGES)); then
    echo "$before" >"$LAB_STATE/hugepages.before"
    sysctl -qw "vm.nr_hugepages=$((before + LAB_HUGEPAGES - free))" 2>/dev/null || true
    now=$(awk '/^HugePages_Free/ {print $2}' /proc/meminfo)
    ((now >= LAB_HUGEPAGES)) || echo "lab: only $now of $LAB_HUGEPAGES hugepages could be reserved" >&2
  fi
  mkdir -p "$LAB_STATE/huge"
  mount -t hugetlbfs -o pagesize=2M,mode=0700 sallyport-lab "$LAB_STATE/huge" 2>/dev/null ||
    echo "lab: hugetlbfs could not be mounted" >&2
}

lab_memory_down() {
  if mountpoint -q "$LAB_STATE/huge" 2>/dev/null; then
    umount "$LAB_STATE/huge" 2>/dev/null || umount -l "$LAB_STATE/huge" 2>/dev/null || true
  fi
  if [[ -s $LAB_STATE/hugepages.before ]]; then
    sysctl -qw "vm.nr_hugepages=$(cat "$LAB_STATE/hugepages.before")" 2>/dev/null || true
    rm -f "$LAB_STATE/hugepages.before"
  fi
}
