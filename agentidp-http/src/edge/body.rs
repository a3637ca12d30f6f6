//! Request bodies that end in time and are no longer than they may be.
//!
//! A handler that reads one sees an error where it ends early, and answers as it likes: what was
//! wrong is noted, and `handle` answers that instead.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use axum::http::{HeaderMap, header};
use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Sleep, sleep_until};

/// Most bytes of a body.
const BODY_BYTES_MAX: u64 = 1 << 20;

/// What was wrong with a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    TooLarge = 1,
    TooSlow = 2,
}

/// It was read to its end.
const READ: u8 = 3;

/// Where it is noted how far a body was read. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct BodyWatch(Arc<AtomicU8>);

impl BodyWatch {
    pub(super) fn fault(&self) -> Option<Fault> {
        match self.0.load(Ordering::Relaxed) {
            1 => Some(Fault::TooLarge),
            2 => Some(Fault::TooSlow),
            _ => None,
        }
    }

    /// Whether more of the body may come that nobody read. Who was too slow had its time.
    pub(crate) fn is_unread(&self) -> bool {
        self.0.load(Ordering::Relaxed) != READ && self.fault() != Some(Fault::TooSlow)
    }

    fn note(&self, fault: Fault) {
        self.0.store(fault as u8, Ordering::Relaxed);
    }

    fn note_end(&self) {
        self.0.store(READ, Ordering::Relaxed);
    }
}

/// A body under watch.
pub(crate) struct GuardedBody<B> {
    body: B,
    left: u64,
    end: Instant,
    /// Made when the body is first waited for, which a small one never is.
    timer: Option<Pin<Box<Sleep>>>,
    watch: BodyWatch,
}

impl<B> GuardedBody<B> {
    pub(crate) fn new(body: B, headers: &HeaderMap, timeout: Duration) -> GuardedBody<B> {
        let watch = BodyWatch::default();
        // Who says beforehand that it is too much need not send it.
        let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
        if length.and_then(|text| text.parse::<u64>().ok()).is_some_and(|n| n > BODY_BYTES_MAX) {
            watch.note(Fault::TooLarge);
        }
        GuardedBody {
            body,
            left: BODY_BYTES_MAX,
            end: Instant::now() + timeout,
            timer: None,
            watch,
        }
    }

    /// Where it is noted what was wrong.
    pub(crate) fn watch(&self) -> BodyWatch {
        self.watch.clone()
    }

    fn fail<T>(&self, fault: Fault) -> Poll<Option<Result<T, io::Error>>> {
        self.watch.note(fault);
        let kind = match fault {
            Fault::TooLarge => io::ErrorKind::FileTooLarge,
            Fault::TooSlow => io::ErrorKind::TimedOut,
        };
        Poll::Ready(Some(Err(kind.into())))
    }
}

impl<B> Body for GuardedBody<B>
where
    B: Body<Data = Bytes> + Unpin,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let this = self.get_mut();
        if let Some(fault) = this.watch.fault() {
            return this.fail(fault);
        }
        match Pin::new(&mut this.body).poll_frame(context) {
            Poll::Ready(Some(Ok(frame))) => {
                let bytes = frame.data_ref().map_or(0, Bytes::len) as u64;
                match this.left.checked_sub(bytes) {
                    Some(left) => this.left = left,
                    None => return this.fail(Fault::TooLarge),
                }
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(error))) => Poll::Ready(Some(Err(io::Error::other(error)))),
            Poll::Ready(None) => {
                this.watch.note_end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                let end = this.end;
                let timer = this.timer.get_or_insert_with(|| Box::pin(sleep_until(end.into())));
                match timer.as_mut().poll(context) {
                    Poll::Ready(()) => this.fail(Fault::TooSlow),
                    Poll::Pending => Poll::Pending,
                }
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::body::to_bytes;
    use axum::http::HeaderValue;

    /// Chunks of so many bytes, each after a while.
    struct Chunks(u32, usize, Pin<Box<Sleep>>, Duration);

    fn chunks(count: u32, bytes: usize, pause: Duration) -> Chunks {
        Chunks(count, bytes, Box::pin(tokio::time::sleep(pause)), pause)
    }

    impl Body for Chunks {
        type Data = Bytes;
        type Error = io::Error;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            context: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
            if self.0 == 0 {
                return Poll::Ready(None);
            }
            if self.2.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.0 -= 1;
            let next = tokio::time::Instant::now() + self.3;
            self.2.as_mut().reset(next);
            let data = Bytes::from(vec![b'x'; self.1]);
            Poll::Ready(Some(Ok(Frame::data(data))))
        }
    }

    async fn read(chunks: Chunks, headers: &HeaderMap) -> (Option<usize>, Option<Fault>) {
        let body = GuardedBody::new(chunks, headers, Duration::from_millis(200));
        let watch = body.watch();
        let read = to_bytes(axum::body::Body::new(body), usize::MAX).await;
        (read.ok().map(|bytes| bytes.len()), watch.fault())
    }

    #[tokio::test]
    async fn a_body_is_read_as_long_as_it_is_neither_too_slow_nor_too_large() {
        let none = HeaderMap::new();
        let ms = Duration::from_millis;
        assert_eq!(read(chunks(10, 1000, ms(1)), &none).await, (Some(10_000), None));
        // Each chunk comes in time, and the whole does not.
        assert_eq!(read(chunks(10, 1, ms(50)), &none).await, (None, Some(Fault::TooSlow)));
        let large = usize::try_from(BODY_BYTES_MAX / 2).unwrap();
        assert_eq!(read(chunks(2, large, ms(0)), &none).await.1, None);
        assert_eq!(read(chunks(3, large, ms(0)), &none).await, (None, Some(Fault::TooLarge)));
        let mut announced = HeaderMap::new();
        announced.insert(header::CONTENT_LENGTH, HeaderValue::from(BODY_BYTES_MAX + 1));
        assert_eq!(read(chunks(1, 1, ms(0)), &announced).await, (None, Some(Fault::TooLarge)));
    }

    #[tokio::test]
    async fn a_body_is_unread_until_its_end() {
        let body = chunks(2, 10, Duration::ZERO);
        let mut body = GuardedBody::new(body, &HeaderMap::new(), Duration::from_secs(1));
        let watch = body.watch();
        for _ in 0..2 {
            assert!(watch.is_unread());
            std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        }
        assert!(watch.is_unread(), "nobody saw that there is no more");
        std::future::poll_fn(|context| Pin::new(&mut body).poll_frame(context)).await;
        assert!(!watch.is_unread());
        assert_eq!(watch.fault(), None);
    }
}
