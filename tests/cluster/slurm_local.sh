#!/usr/bin/env bash
# A real Slurm of one node or more on the loopback, for tests: no systemd, no cgroups, no accounting, fake GPUs.
#   slurm_local.sh install    Debian's packages, where root has apt-get; nothing where they are there already
#   slurm_local.sh start      the daemons, until the node is idle
#   slurm_local.sh stop       jobs, daemons, configuration and scratch folder; what it did not start stays
#   slurm_local.sh status     nodes and jobs
# Exit code 3: this machine cannot have it; the reason is the line on stderr.
# Environment: SLURM_LOCAL_CPUS (4), SLURM_LOCAL_GPUS (2), SLURM_LOCAL_MEM_MB (64000), SLURM_LOCAL_DIR (/tmp/slurm-local),
# SLURM_LOCAL_NODES (1): each further one is a slurmd of its own, without GPUs.
set -euo pipefail

PACKAGES=(slurmctld slurmd slurm-client munge)
DIR=${SLURM_LOCAL_DIR:-/tmp/slurm-local}
# The job steps of Snakemake's plugin drop SLURM_CONF from the environment of srun: no other place is found.
CONF=/etc/slurm
MARK="# written by slurm_local.sh of t2ipal's tests; its 'stop' removes this file"
HOST=$(hostname -s)
NODES=("$HOST")
for ((node = 2; node <= ${SLURM_LOCAL_NODES:-1}; node++)); do NODES+=("$HOST-$node"); done

cannot() {
  echo "$1" >&2
  exit 3
}

is_installed() {
  local program
  for program in slurmctld slurmd sbatch munged; do command -v "$program" >/dev/null || return 1; done
}

install_packages() {
  is_installed && return
  [ "$(id -u)" = 0 ] || cannot "Slurm is not installed, and only root can install it (${PACKAGES[*]})"
  command -v apt-get >/dev/null || cannot "Slurm is not installed, and there is no apt-get to install it with"
  { # The lists first: those of a fresh machine are empty or old.
    apt-get update -qq &&
      DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${PACKAGES[@]}"
  } >/dev/null 2>&1 || cannot "Slurm is not installed, and apt-get could not install ${PACKAGES[*]}"
}

is_ours() { [ -f "$1" ] && grep -qF "$MARK" "$1"; }

write_configuration() {
  cat >"$CONF/slurm.conf" <<END
$MARK
ClusterName=local
SlurmctldHost=$HOST(127.0.0.1)
SlurmctldPort=16817
SlurmdPort=16818
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
# No container and no cgroup is needed: processes are found by their parents, and killed one by one.
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
# Without it the first job takes all memory, and the next one waits for its end.
DefMemPerCPU=500
SchedulerType=sched/backfill
SchedulerParameters=bf_interval=1,sched_min_interval=100000
ReturnToService=2
# Seconds that ended jobs are remembered: without accounting, squeue is all that runs and tests can ask.
MinJobAge=3600
KillWait=3
GresTypes=gpu
# More CPUs and memory than the machine has: what is tested is the order of jobs, not their speed.
SlurmdParameters=config_overrides
SlurmctldPidFile=$DIR/slurmctld.pid
SlurmdPidFile=$DIR/slurmd-%n.pid
SlurmctldLogFile=$DIR/slurmctld.log
SlurmdLogFile=$DIR/slurmd-%n.log
SlurmdSpoolDir=$DIR/spool-%n
StateSaveLocation=$DIR/state
NodeName=$HOST NodeAddr=127.0.0.1 CPUs=${SLURM_LOCAL_CPUS:-4} RealMemory=${SLURM_LOCAL_MEM_MB:-64000} Gres=gpu:$1 State=UNKNOWN
END
  local node
  for ((node = 1; node < ${#NODES[@]}; node++)); do
    echo "NodeName=${NODES[node]} NodeHostname=$HOST NodeAddr=127.0.0.1 Port=$((16818 + node))" \
      "CPUs=${SLURM_LOCAL_CPUS:-4} RealMemory=${SLURM_LOCAL_MEM_MB:-64000} State=UNKNOWN" >>"$CONF/slurm.conf"
  done
  echo "PartitionName=main Nodes=$(IFS=, && echo "${NODES[*]}") Default=YES MaxTime=24:00:00 State=UP" >>"$CONF/slurm.conf"
  echo "$MARK" >"$CONF/gres.conf"
  local gpu
  for ((gpu = 0; gpu < $1; gpu++)); do
    # Slurm wants a device behind a GPU: the null device, under another name.
    [ -c "$DIR/gpu$gpu" ] || mknod "$DIR/gpu$gpu" c 1 3
    echo "NodeName=$HOST Name=gpu File=$DIR/gpu$gpu" >>"$CONF/gres.conf"
  done
}

start_munge() {
  munge -n 2>/dev/null | unmunge >/dev/null 2>&1 && return # one runs already, and is not ours to stop
  [ -s /etc/munge/munge.key ] || (umask 077 && head -c 1024 /dev/urandom >/etc/munge/munge.key)
  chown munge: /etc/munge/munge.key
  install -d -o munge -g munge /run/munge
  # --force: it runs as root, as the other daemons, not as the user that Debian made for it.
  munged --force --pid-file="$DIR/munged.pid" 2>>"$DIR/munged.log"
}

is_idle() { [ "$(sinfo -h -o %T 2>/dev/null)" = idle ]; }

start() {
  is_installed || cannot "Slurm is not installed (as root: $0 install)"
  [ "$(id -u)" = 0 ] || cannot "Slurm's daemons for tests are started by root alone"
  if [ -s "$CONF/slurm.conf" ] && ! is_ours "$CONF/slurm.conf"; then
    cannot "$CONF/slurm.conf is somebody else's: this machine has a Slurm of its own"
  fi
  stop # what a killed test left behind
  mkdir -p "$DIR/state" "${NODES[@]/#/$DIR/spool-}" "$CONF"
  rm -f "$DIR/probe" # of a start that was killed here
  local problem
  problem=$(mknod "$DIR/probe" c 1 3 2>&1) || cannot "$DIR: no device can be made there ($problem)"
  rm -f "$DIR/probe"
  write_configuration "${SLURM_LOCAL_GPUS:-2}"
  start_munge
  slurmctld -c
  local node
  for node in "${NODES[@]}"; do slurmd -N "$node"; done
  for _ in {1..120}; do
    is_idle && return
    sleep 0.25
  done
  tail -n 3 "$DIR"/*.log >&2
  echo "the node is not idle after 30 s: $(sinfo -h -o '%T %E')" >&2
  return 1
}

# By its pid file. A dead process may stay as a zombie where the first process of the container does not reap.
end_daemon() {
  local pid state
  pid=$(cat "$1" 2>/dev/null) && kill "$pid" 2>/dev/null || return 0
  for _ in {1..50}; do
    state=$(ps -o stat= -p "$pid" 2>/dev/null) || return 0
    [[ $state == Z* ]] && return
    sleep 0.1
  done
  kill -9 "$pid" 2>/dev/null || true
}

stop() {
  is_ours "$CONF/slurm.conf" || return 0
  squeue -h -o %A 2>/dev/null | xargs -r scancel 2>/dev/null || true
  for _ in {1..40}; do
    [ -z "$(squeue -h 2>/dev/null)" ] && break
    sleep 0.25
  done
  local file
  for file in "$DIR"/slurmd-*.pid "$DIR"/{slurmctld,munged}.pid; do end_daemon "$file"; done
  rm -f "$CONF/slurm.conf" "$CONF/gres.conf"
  rm -rf "$DIR"
}

case "${1:-}" in
  install) install_packages ;;
  start) start ;;
  stop) stop ;;
  status) sinfo -N -o '%N %T %c %m %G' && squeue ;;
  *)
    echo "usage: $0 install|start|stop|status" >&2
    exit 2
    ;;
esac
