//! A listening socket, and the connections that come through it.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket, TcpStream};
use tokio::task::JoinSet;
use tokio::time::sleep;

use super::ServeError;
use super::connection::{Shared, ended};
use super::crowd::{Counted, Crowd};
use super::threads::Threads;

/// Connections that the system keeps for us while we are busy.
const BACKLOG: u32 = 4096;
/// How long nothing is accepted after the system had no room for a connection.
const BREATH: Duration = Duration::from_millis(50);

/// Listens there.
///
/// # Errors
/// [`ServeError::Listen`] when the address is taken or not ours.
pub(super) fn bind(address: SocketAddr) -> Result<TcpListener, ServeError> {
    let listen = || -> io::Result<TcpListener> {
        let socket = if address.is_ipv4() { TcpSocket::new_v4() } else { TcpSocket::new_v6() }?;
        // Or a server that is started anew would wait for the connections of the one before.
        socket.set_reuseaddr(cfg!(unix))?;
        socket.bind(address)?;
        socket.listen(BACKLOG)
    };
    listen().map_err(|error| ServeError::Listen { address, error })
}

/// Accepts connections until the server ends, and then waits until each of them has. Each is served by one of
/// `threads`.
pub(super) async fn accept(
    listener: TcpListener,
    shared: Arc<Shared>,
    crowd: Crowd,
    threads: Arc<Threads>,
) {
    let mut ending = shared.ending.clone();
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = ended(&mut ending) => break,
            Some(_) = connections.join_next() => {}
            accepted = one(&listener, &shared, &crowd) => {
                let Some((stream, counted)) = accepted else { continue };
                let (Some((thread, held)), Ok(stream)) = (threads.least_busy(), stream.into_std()) else {
                    continue;
                };
                let shared = Arc::clone(&shared);
                let served = async move {
                    // Of the thread that serves it, no longer of that which accepted it.
                    if let Ok(stream) = TcpStream::from_std(stream) {
                        shared.serve(stream, counted.address()).await;
                    }
                    drop((counted, held));
                };
                connections.spawn_on(served, thread);
            }
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

/// Waits for one connection and counts it. May be given up while it waits.
async fn one(
    listener: &TcpListener,
    shared: &Shared,
    crowd: &Crowd,
) -> Option<(TcpStream, Counted)> {
    let place = crowd.place().await?;
    match listener.accept().await {
        Ok((stream, address)) => {
            let address = address.ip().to_canonical();
            // A proxy speaks for many.
            let limited = !shared.options.trusts(address);
            Some((stream, crowd.admit(place, address, limited)?))
        }
        Err(error) if is_the_clients(&error) => None,
        Err(_) => {
            // The system is out of descriptors or memory: connections that end make room.
            sleep(BREATH).await;
            None
        }
    }
}

/// Whether it was the client who went before it was accepted.
fn is_the_clients(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}
