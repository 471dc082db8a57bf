#!/usr/bin/env bash
# A search on 2 nodes of a Slurm cluster, for Ray 2.60.0. From the top of the repository, in a folder that all
# nodes see, with the package in its .venv (`make demo` puts it there):
#
#   sbatch slurm.sh
#
# The first node holds the driver and trains too. The same command goes on with a search, so the job may be preempted,
# run out of time or lose nodes at any moment: it is put back into the queue. `scancel JOB` ends it for good.
#
#SBATCH --job-name=ressearch
#SBATCH --nodes=2
#SBATCH --ntasks-per-node=1
# One core more than Ray is told of: for the driver on the first node, and for Ray itself.
#SBATCH --cpus-per-task=9
#SBATCH --mem=32G
##SBATCH --gpus-per-node=1
#SBATCH --time=24:00:00
# A warning to this script, two minutes before the time is over.
#SBATCH --signal=B:USR1@120
#SBATCH --requeue
#SBATCH --open-mode=append
# A node that dies takes its trials with it, not the job: they go on elsewhere.
#SBATCH --no-kill

set -euo pipefail
umask 077
cd "$SLURM_SUBMIT_DIR"
export PATH="$PWD/.venv/bin:$PATH"
mkdir -p runs
local_disk=$(mktemp --directory /tmp/ressearch-XXXXXX) # a short name, since Ray's sockets lie in it

# Ray without a token runs whatever reaches one of its ports. This job's token is a file for you alone; every process
# below takes its path, and RAY_AUTH_MODE, from here: one without them could not join.
export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH="$PWD/runs/ray-token-$SLURM_JOB_ID" RAY_USAGE_STATS_ENABLED=0
unset RAY_AUTH_TOKEN # it would go before the file
python -c 'import secrets; print(secrets.token_hex(32), end="")' >"$RAY_AUTH_TOKEN_PATH"

# Results: best in a database that all nodes reach. In ~/.bash_profile rather than here, for it holds a password:
#   export RESSEARCH_STORE=postgresql://USER:PASSWORD@HOST/DATABASE
# Without one: SQLite on this node's own disk, since it may lose results on a network file system. The next run may have
# another first node, so every ten minutes and at the end a copy is written, from which that run begins. A first node
# that dies costs what is newer than the copy. Searches at the same time need a --job-name each.
copy=
if [ -z "${RESSEARCH_STORE:-}" ]; then
    export RESSEARCH_STORE=$local_disk/ressearch.db
    copy=$PWD/runs/$SLURM_JOB_NAME.jsonl.gz
    if [ -e "$copy" ]; then ressearch store import "$copy"; fi
    while sleep 600; do ressearch store export "$copy" || true; done &
fi

steps=() driver='' requeue=no woken=no

end() {
    status=$?
    trap '' USR1 TERM
    if [ -n "$copy" ] && [ -e "$RESSEARCH_STORE" ]; then ressearch store export "$copy" || true; fi
    if [ "${#steps[@]}" -gt 0 ]; then kill "${steps[@]}" 2>/dev/null || true; fi
    rm -rf "$RAY_AUTH_TOKEN_PATH" "$local_disk"
    if [ "$requeue" = yes ]; then scontrol requeue "$SLURM_JOB_ID"; fi
    exit "$status"
}
trap end EXIT

# The search ends on SIGTERM within seconds and keeps every finished trial.
interrupt() {
    woken=yes
    if [ -z "$driver" ]; then exit 143; fi
    kill -TERM "$driver" 2>/dev/null || true
}
trap 'requeue=yes; interrupt' USR1 # time is over: once more
trap interrupt TERM                # preempted: Slurm requeues; cancelled: nobody does

# Each node's Ray is a step of its own, so that none ends with another. Ray sees all cores of a node, not those of the
# job, so it is told. The password of the store is no concern of the workers.
start() {
    local node=$1
    shift
    env -u RESSEARCH_STORE srun --nodes=1 --ntasks=1 --overlap --nodelist="$node" \
        --cpus-per-task="$SLURM_CPUS_PER_TASK" \
        ray start --block --num-cpus=8 --num-gpus=0 "$@" &
    steps+=($!)
}

mapfile -t nodes < <(scontrol show hostnames "$SLURM_JOB_NODELIST")
# With several networks, the address in the one that is private and fast; Ray encrypts nothing.
head_ip=$(hostname -I | cut -d' ' -f1)
address=$head_ip:$((20000 + SLURM_JOB_ID % 10000)) # jobs may share a node, not a port

start "${nodes[0]}" --head --node-ip-address="$head_ip" --port="${address#*:}" --dashboard-host=127.0.0.1 \
    --temp-dir="$local_disk/ray"
for attempt in {1..60}; do
    if ray health-check --address "$address" >/dev/null 2>&1; then break; fi
    if [ "$attempt" = 60 ]; then
        echo "Ray did not start on ${nodes[0]}; its messages are above" >&2
        exit 1
    fi
    sleep 1
done
for node in "${nodes[@]:1}"; do
    start "$node" --address="$address"
done

# Nodes that join while the search is at work are used.
ressearch search search_spaces/demo.yaml --cpus-per-trial 1 --storage /shared/ressearch \
    --address "$address" &
driver=$!
while
    woken=no status=0
    wait "$driver" || status=$?
    [ "$woken" = yes ] # a signal ended the wait, not the driver
do :; done
exit "$status"
