# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Sallyport inside the lab: build when missing, start, wait until ready, stop within bounds. Sourced by deploy/lab.

SALLYPORT_BIN=${SALLYPORT_BIN:-$LAB_REPO/build/release/sallyport}
LAB_READY_S=${LAB_READY_S:-30}
LAB_STOP_S=${LAB_STOP_S:-12}

lab_build() {
  if [[ ! -x $SALLYPORT_BIN ]]; then
    echo "lab: building $SALLYPORT_BIN"
    (cd "$LAB_REPO" && cmake --preset release >/dev/null && cmake --build --preset release) || {
      echo "lab: the build failed" >&2
      return 1
    }
  fi
  [[ -x $SALLYPORT_BIN ]] || { echo "lab: there is no $SALLYPORT_BIN" >&2; return 1; }
}

# A pid counts only with the start time that was written down: pids are used again.
lab_start_time() { awk '{sub(/^.*\) /, ""); print $20}' "/proc/$1/stat" 2>/dev/null || true; }

lab_pid() {
  local pid started
  [[ -s $LAB_STATE/sallyport.pid ]] || return 1
  read -r pid started <"$LAB_STATE/sallyport.pid"
  [[ -n $pid && -d /proc/$pid && $(lab_start_time "$pid") == "$started" ]] || return 1
  [[ $(awk '/^State/ {print $2}' "/proc/$pid/status" 2>/dev/null) != Z ]] || return 1
  echo "$pid"
}

lab_metrics_address() {
  awk '/^metrics:/ {f=1} f && match($0, /listen: *"?[^"} ]+/) {s=substr($0, RSTART, RLENGTH); sub(/listen: *"?/, "", s); print s; exit}' "$1"
}

# A TCP answer from the metrics port, asked in the namespace without any other program's help.
lab_metrics_answer() {
  local host=${1%:*} port=${1##*:}
  in_ns sp-sbc timeout 2 bash -c "exec 3<>/dev/tcp/$host/$port && printf 'GET /metrics HTTP/1.0\r\n\r\n' >&3 && head -c 15 <&3" 2>/dev/null |
    grep -q ' 200'
}

lab_start() {
  local config=$1 pid log=$LAB_STATE/sallyport.log address deadline
  if pid=$(lab_pid); then
    echo "lab: Sallyport runs already (pid $pid)" >&2
    return 1
  fi
  address=$(lab_metrics_address "$config")
  : >"$log"
  setsid ip netns exec sp-sbc "$SALLYPORT_BIN" run --config "$config" >>"$log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid $(lab_start_time "$pid")" >"$LAB_STATE/sallyport.pid"
  cp -f "$config" "$LAB_STATE/running.yaml" 2>/dev/null || true
  deadline=$((SECONDS + LAB_READY_S))
  while ((SECONDS <= deadline)); do
    if ! kill -0 "$pid" 2>/dev/null; then
      local code=0
      wait "$pid" || code=$?
      echo "lab: Sallyport ended with $code before it was ready; its log ($log):" >&2
      tail -n 30 "$log" >&2
      rm -f "$LAB_STATE/sallyport.pid"
      return 1
    fi
    if grep -qiw ready "$log" && { [[ -z $address ]] || lab_metrics_answer "$address"; }; then
      return 0
    fi
    sleep 0.1
  done
  echo "lab: Sallyport was not ready within ${LAB_READY_S} s; its log ($log):" >&2
  tail -n 30 "$log" >&2
  lab_stop
  return 1
}

lab_wait_gone() {
  local deadline=$((SECONDS + $1))
  while ((SECONDS < deadline)); do
    lab_pid >/dev/null || return 0
    sleep 0.1
  done
  return 1
}

lab_stop() {
  local pid
  if pid=$(lab_pid); then
    kill -CONT "$pid" 2>/dev/null || true
    kill -TERM "$pid" 2>/dev/null || true
    if ! lab_wait_gone "$LAB_STOP_S"; then
      kill -TERM "$pid" 2>/dev/null || true # the second one ends a drain at once
      lab_wait_gone 5 || { echo "lab: Sallyport (pid $pid) did not end: killed" >&2; kill -KILL "$pid" 2>/dev/null || true; }
      lab_wait_gone 5 || true
    fi
  fi
  rm -f "$LAB_STATE/sallyport.pid"
  # What a killed Sallyport leaves in its namespace: ingress rules and taps.
  if [[ -e /run/netns/sp-sbc ]]; then
    in_ns sp-sbc nft flush ruleset 2>/dev/null || true
  fi
}
