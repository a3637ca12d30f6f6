//! A connection that waits as long as the rules say, and no longer.
//!
//! Three waits have an end: for a request to begin, for its head once it began, and for a client to
//! take our answer. While a request is being answered we wait for ourselves, which others bound.
//! One timer serves all three: it is set when a wait begins in earnest and looks, when it goes off,
//! whether the wait has moved on since. So a busy connection touches no timer at all.
//!
//! A client that is refused while it still sends reads our answer only once it is done, and would
//! lose it if we left before (RFC 9112 section 9.6). So we read on, for a while, and keep nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::{Sleep, sleep_until};

/// Most bytes that are read after an answer, and not kept.
const DISCARDED_BYTES_MAX: usize = 16 << 20;

/// The ends of a connection's waits.
#[derive(Debug, Clone, Copy)]
pub(super) struct Patience {
    /// For a request to begin, and for a client to take what we send.
    pub(super) idle: Duration,
    /// For the head of a request, once it began, and for a client to leave, once it was told to.
    pub(super) header: Duration,
}

/// How far the answer to a connection's last request is. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Answering(Arc<Progress>);

#[derive(Debug, Default)]
struct Progress {
    /// How many requests began to be answered.
    begun: AtomicU64,
    answers: AtomicBool,
    unread: AtomicBool,
}

impl Answering {
    /// The head of a request is complete.
    pub(super) fn begins(&self) {
        self.0.begun.fetch_add(1, Ordering::Relaxed);
        self.0.answers.store(true, Ordering::Relaxed);
    }

    /// `unread` says that nobody read the request's body to its end.
    pub(super) fn ends(&self, unread: bool) {
        self.0.unread.store(unread, Ordering::Relaxed);
        self.0.answers.store(false, Ordering::Relaxed);
    }

    fn begun(&self) -> u64 {
        self.0.begun.load(Ordering::Relaxed)
    }

    fn now(&self) -> bool {
        self.0.answers.load(Ordering::Relaxed)
    }

    /// The server ends. Nobody who has an answer already is waited for.
    pub(super) fn leaves(&self) {
        if !self.now() {
            self.0.unread.store(false, Ordering::Relaxed);
        }
    }

    fn left_unread(&self) -> bool {
        self.0.unread.load(Ordering::Relaxed)
    }
}

/// A stream with an end to its waits.
pub(super) struct Patient<S> {
    stream: S,
    answering: Answering,
    patience: Patience,
    timer: Pin<Box<Sleep>>,
    /// When something last moved in either direction.
    moved_at: Instant,
    /// When the first byte of a head came that is not complete yet.
    head_since: Option<Instant>,
    /// How many heads were complete when we last looked.
    heads: u64,
    /// When we said that nothing more comes from us.
    shut_at: Option<Instant>,
    /// How many bytes were read since.
    discarded: usize,
}

impl<S> Patient<S> {
    pub(super) fn new(stream: S, answering: Answering, patience: Patience) -> Patient<S> {
        let now = Instant::now();
        let timer = Box::pin(sleep_until((now + patience.idle).into()));
        Patient {
            stream,
            answering,
            patience,
            timer,
            moved_at: now,
            head_since: None,
            heads: 0,
            shut_at: None,
            discarded: 0,
        }
    }

    /// Whether `end` is over; if not, we are woken when it is.
    fn is_over(&mut self, end: Instant, context: &mut Context<'_>) -> bool {
        if self.timer.deadline().into_std() > end {
            self.timer.as_mut().reset(end.into());
        }
        while self.timer.as_mut().poll(context).is_ready() {
            if Instant::now() >= end {
                return true;
            }
            self.timer.as_mut().reset(end.into());
        }
        false
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Patient<S> {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let answering = this.answering.now();
        // The answer may be over already: many take no time at all.
        let heads = this.answering.begun();
        if heads != this.heads {
            this.heads = heads;
            this.head_since = None;
        }
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(read) => {
                this.moved_at = Instant::now();
                if !answering {
                    this.head_since.get_or_insert(this.moved_at);
                }
                Poll::Ready(read)
            }
            Poll::Pending if answering => Poll::Pending,
            Poll::Pending => {
                let end = match this.head_since {
                    Some(since) => since + this.patience.header,
                    None => this.moved_at + this.patience.idle,
                };
                if this.is_over(end, context) { over() } else { Poll::Pending }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> Patient<S> {
    fn after(
        &mut self,
        written: Poll<io::Result<usize>>,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<usize>> {
        if written.is_ready() {
            self.moved_at = Instant::now();
        } else if self.is_over(self.moved_at + self.patience.idle, context) {
            return over();
        }
        written
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Patient<S> {
    fn poll_write(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        this.after(written, context)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let this = self.get_mut();
        let written = Pin::new(&mut this.stream).poll_write_vectored(context, bytes);
        this.after(written, context)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let flushed = Pin::new(&mut this.stream).poll_flush(context);
        // Once an answer is written, nobody may read until something comes: the wait for it begins here.
        let waits = flushed.is_pending() || !this.answering.now();
        if waits && this.is_over(this.moved_at + this.patience.idle, context) {
            return over();
        }
        flushed
    }

    fn poll_shutdown(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        let Some(since) = this.shut_at else {
            let shut = Pin::new(&mut this.stream).poll_shutdown(context);
            if shut.is_pending() && this.is_over(this.moved_at + this.patience.header, context) {
                return over();
            }
            if matches!(shut, Poll::Ready(Ok(()))) && this.answering.left_unread() {
                this.shut_at = Some(Instant::now());
                return Pin::new(this).poll_shutdown(context);
            }
            return shut;
        };
        this.discard_until(since + this.patience.header, context)
    }
}

impl<S: AsyncRead + Unpin> Patient<S> {
    /// Reads, and keeps nothing, until the client has no more to say, or has said more than enough.
    fn discard_until(&mut self, end: Instant, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            if self.discarded > DISCARDED_BYTES_MAX || self.is_over(end, context) {
                return over();
            }
            let mut room = [0; 4096];
            let mut buffer = ReadBuf::new(&mut room);
            match Pin::new(&mut self.stream).poll_read(context, &mut buffer) {
                Poll::Ready(Ok(())) if !buffer.filled().is_empty() => {
                    self.discarded += buffer.filled().len();
                }
                // Also where the client is gone: nobody is left to lose the answer.
                Poll::Ready(_) => return Poll::Ready(Ok(())),
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

fn over<T>() -> Poll<io::Result<T>> {
    Poll::Ready(Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream, duplex};
    use tokio::time::timeout;

    const PATIENCE: Patience =
        Patience { idle: Duration::from_millis(400), header: Duration::from_millis(120) };

    fn pair() -> (DuplexStream, Patient<DuplexStream>, Answering) {
        let (client, server) = duplex(16);
        let answering = Answering::default();
        (client, Patient::new(server, answering.clone(), PATIENCE), answering)
    }

    async fn kind_after(
        read: impl Future<Output = io::Result<usize>>,
    ) -> (io::ErrorKind, Duration) {
        let begin = Instant::now();
        (read.await.unwrap_err().kind(), begin.elapsed())
    }

    #[tokio::test]
    async fn a_connection_without_a_request_is_left_after_a_while() {
        let (_client, mut server, _) = pair();
        let (kind, after) = kind_after(server.read(&mut [0; 8])).await;
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!(after >= PATIENCE.idle, "{after:?}");
    }

    #[tokio::test]
    async fn a_head_that_comes_in_drops_is_cut_off_though_it_moves() {
        let (mut client, mut server, _) = pair();
        let dripping = tokio::spawn(async move {
            while client.write_all(b"x").await.is_ok() {
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        });
        let begin = Instant::now();
        let kind = loop {
            if let Err(error) = server.read(&mut [0; 8]).await {
                break error.kind();
            }
        };
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!(begin.elapsed() < PATIENCE.idle, "{:?}", begin.elapsed());
        dripping.abort();
    }

    #[tokio::test]
    async fn after_an_answer_that_took_no_time_the_wait_is_for_another_request() {
        let (mut client, mut server, answering) = pair();
        for _ in 0..2 {
            client.write_all(b"x").await.unwrap();
            server.read_exact(&mut [0; 1]).await.unwrap();
            answering.begins();
            answering.ends(false);
            server.write_all(b"y").await.unwrap();
            client.read_exact(&mut [0; 1]).await.unwrap();
            let longer = PATIENCE.header + PATIENCE.header / 4;
            assert!(timeout(longer, server.read(&mut [0; 8])).await.is_err());
        }
        let (kind, _) = kind_after(server.read(&mut [0; 8])).await;
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn while_a_request_is_answered_nobody_is_cut_off() {
        let (_client, mut server, answering) = pair();
        answering.begins();
        assert!(timeout(2 * PATIENCE.idle, server.read(&mut [0; 8])).await.is_err());
        answering.ends(false);
        let (kind, _) = kind_after(server.read(&mut [0; 8])).await;
        assert_eq!(kind, io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_client_that_does_not_take_its_answer_is_left() {
        let (_client, mut server, answering) = pair();
        answering.begins();
        let error = server.write_all(&[0; 64]).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn what_a_refused_client_still_sends_is_read_until_it_is_done() {
        let (client, mut server, answering) = pair();
        answering.begins();
        answering.ends(true);
        let (mut reading, mut writing) = tokio::io::split(client);
        let sending = tokio::spawn(async move {
            // More than there is room for on the way.
            writing.write_all(&[0; 20_000]).await?;
            writing.shutdown().await
        });
        server.write_all(b"no").await.unwrap();
        server.shutdown().await.unwrap();
        drop(server);
        sending.await.unwrap().unwrap();
        let mut answer = Vec::new();
        reading.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, b"no");
    }

    #[tokio::test]
    async fn a_refused_client_that_sends_on_for_ever_is_left() {
        let (mut client, mut server, answering) = pair();
        answering.begins();
        answering.ends(true);
        let sending =
            tokio::spawn(async move { while client.write_all(&[0; 64]).await.is_ok() {} });
        let (kind, after) = kind_after(async { server.shutdown().await.map(|()| 0) }).await;
        assert_eq!(kind, io::ErrorKind::TimedOut);
        assert!(after >= PATIENCE.header, "{after:?}");
        drop(server);
        sending.await.unwrap();
    }

    #[tokio::test]
    async fn a_refused_client_that_sends_more_than_enough_is_left_before_its_time() {
        let (mut client, server) = duplex(1 << 20);
        let answering = Answering::default();
        let hour = Duration::from_secs(3600);
        let mut server =
            Patient::new(server, answering.clone(), Patience { idle: hour, header: hour });
        answering.ends(true);
        let sending = tokio::spawn(async move {
            let mut sent = 0;
            while client.write_all(&[0; 1 << 16]).await.is_ok() {
                sent += 1 << 16;
            }
            sent
        });
        server.shutdown().await.unwrap_err();
        drop(server);
        let sent = sending.await.unwrap();
        assert!((DISCARDED_BYTES_MAX..2 * DISCARDED_BYTES_MAX).contains(&sent), "{sent}");
    }

    #[tokio::test]
    async fn a_server_that_ends_waits_for_nobody_who_has_an_answer() {
        let (_client, mut server, answering) = pair();
        answering.begins();
        answering.ends(true);
        answering.leaves();
        timeout(PATIENCE.header / 2, server.shutdown()).await.unwrap().unwrap();
    }

    #[tokio::test]
    async fn who_said_all_it_wanted_is_not_waited_for() {
        let (_client, mut server, answering) = pair();
        answering.begins();
        answering.ends(false);
        timeout(PATIENCE.header, server.shutdown()).await.unwrap().unwrap();
    }
}
