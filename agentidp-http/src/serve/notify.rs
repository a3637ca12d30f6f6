//! Tells the service manager how it stands (sd_notify(3)), where there is one.

/// What a service manager is told.
#[derive(Debug, Clone, Copy)]
pub(super) enum State {
    /// It may send clients.
    Ready,
    /// It may not any more.
    Stopping,
}

/// Sends the state to the socket in `NOTIFY_SOCKET`. Where there is none, or nobody listens, nothing
/// is lost: the manager has a time limit of its own.
pub(super) fn tell(state: State) {
    let text = match state {
        State::Ready => "READY=1\n",
        State::Stopping => "STOPPING=1\n",
    };
    #[cfg(unix)]
    if let Some(name) = std::env::var_os("NOTIFY_SOCKET") {
        let _ = send(&name, text.as_bytes());
    }
    #[cfg(not(unix))]
    let _ = text;
}

#[cfg(unix)]
fn send(name: &std::ffi::OsStr, text: &[u8]) -> std::io::Result<usize> {
    use std::os::unix::ffi::OsStrExt as _;
    use std::os::unix::net::{SocketAddr, UnixDatagram};

    let address = match name.as_bytes() {
        // A name without a file, which Linux alone knows.
        #[cfg(target_os = "linux")]
        [b'@', rest @ ..] => {
            use std::os::linux::net::SocketAddrExt as _;
            SocketAddr::from_abstract_name(rest)?
        }
        _ => SocketAddr::from_pathname(name)?,
    };
    UnixDatagram::unbound()?.send_to_addr(text, &address)
}
