"""A server that gives tokens for a long time: its memory and its log stay as they are, and its trail is whole.

    soak.py BINARY

Called by scripts/soak, which has the tools installed.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import (
    CLIENTS,
    ORGANIZATIONS,
    SERVE_FLAGS,
    Server,
    free_port,
    issue_secrets,
    make_home,
    number,
    write_clients,
)

SECONDS = number("SOAK_SECONDS", 600)
SLICE = 20
# What may come and go with the load, and with how the allocator keeps what is free.
SLACK_MB = 8
# What SQLite's log may be: there a commit takes it in itself, and the thread beside it begins at half (ADR 0033).
LOG_MAX_MB = 96


def main():
    binary = sys.argv[1]
    with tempfile.TemporaryDirectory() as directory:
        work = Path(directory)
        home, port = work / "home", free_port()
        teams = make_home(binary, home, port, CLIENTS)
        serve = [binary, "--home", str(home), "serve", "--listen", f"127.0.0.1:{port}", *SERVE_FLAGS]
        server = Server("agentidp serve", serve, port, "/oauth2/token", work / "serve.log")
        server.start()
        headers = write_clients(work, issue_secrets(port, teams))
        faults, before = [], entries(binary, home)
        # Once round all clients before anything counts.
        given = server.drive(SLICE, headers)["requests"]
        memory = []
        for slice_number in range(max(3, SECONDS // SLICE)):
            sample = server.drive(SLICE, headers)
            given += sample["requests"]
            log_mb = (home / "agentidp.db-wal").stat().st_size / 2**20
            memory.append(server.memory_mb("VmRSS"))
            print(
                f"{(slice_number + 1) * SLICE:5} s {given:9} tokens {sample['rate']:6.0f}/s "
                f"p99 {sample['p99_ms']:6.2f} ms memory {memory[-1]:4.0f} MB log {log_mb:3.0f} MB",
                flush=True,
            )
            if log_mb > LOG_MAX_MB:
                faults.append(f"the log grew to {log_mb:.0f} MB")
        third = len(memory) // 3
        first, last = max(memory[:third]), max(memory[-third:])
        print(f"memory: {first:.0f} MB at most in the first third, {last:.0f} MB in the last")
        if last > first + SLACK_MB:
            faults.append("memory grew")
        server.stop()
        if server.process.returncode != 0:
            faults.append(f"the server ended with {server.process.returncode}")
        after = entries(binary, home)
        print(f"{after - before} entries of {ORGANIZATIONS} organizations verified, {given} tokens answered")
        if after - before < given:
            faults.append("entries are missing")
    for fault in faults:
        print(f"FAULT: {fault}")
    sys.exit(1 if faults else 0)


def entries(binary, home):
    """How many there are in all trails, each of which verifies."""
    size = 0
    for org in range(ORGANIZATIONS):
        command = [binary, "--home", str(home), "--json", "audit", "verify", "--org", f"org-{org}"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            sys.exit(f"the trail of org-{org}: {done.stdout or done.stderr}")
        size += json.loads(done.stdout)["size"]
    return size


if __name__ == "__main__":
    main()
