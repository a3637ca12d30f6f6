//! What is left of an organization's limit, on its way to the fields of an answer.
//!
//! The library asks the limiter in the middle of a verb, and whoever answers is told no more than what
//! the verb returns. Where the verb runs in the task of the request, [`hear`] has what the limiter says
//! at once. Where it runs on a thread of its own, the limiter leaves a note on that thread, and [`watch`]
//! takes it up when the verb is done.

use std::cell::Cell;

/// What an organization may still ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Left {
    /// Its limit.
    pub(super) per_minute_max: u32,
    /// How many requests may come now.
    pub(super) requests: u32,
}

thread_local! {
    static NOTED: Cell<Option<Left>> = const { Cell::new(None) };
}

tokio::task_local! {
    static HEARD: Cell<Option<Left>>;
}

/// Notes what is left, for the request that this task answers or the verb that runs on this thread.
pub(super) fn note(left: Left) {
    if HEARD.try_with(|heard| heard.set(Some(left))).is_err() {
        NOTED.set(Some(left));
    }
}

/// Runs a verb, and tells what the limiter noted meanwhile.
pub(crate) fn watch<T>(verb: impl FnOnce() -> T) -> (T, Option<Left>) {
    // A verb that panicked may have left its note.
    NOTED.take();
    let done = verb();
    (done, NOTED.take())
}

/// Tells what is left to whoever answers this request.
pub(crate) fn tell(left: Option<Left>) {
    if left.is_some() {
        // Outside of a request nobody hears it.
        let _ = HEARD.try_with(|heard| heard.set(left));
    }
}

/// Lets a request be answered, and hears what it was told of.
pub(crate) async fn hear<T>(answer: impl Future<Output = T>) -> (T, Option<Left>) {
    let answered = async { (answer.await, HEARD.with(Cell::take)) };
    HEARD.scope(Cell::new(None), answered).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_note_comes_to_its_own_request_and_to_no_other() {
        let left = |requests| Left { per_minute_max: 10, requests };
        let counted = async |requests| {
            let verb = std::thread::spawn(move || watch(|| note(left(requests))));
            tokio::task::yield_now().await;
            tell(verb.join().unwrap().1);
            // A second verb of the same request, which counts nothing.
            tell(watch(|| ()).1);
        };
        let (one, other) = tokio::join!(hear(counted(7)), hear(counted(3)));
        assert_eq!((one.1, other.1), (Some(left(7)), Some(left(3))));
        let here = async { note(left(5)) };
        assert_eq!(hear(here).await.1, Some(left(5)));
        assert_eq!(hear(async {}).await.1, None);
        note(left(1));
        assert_eq!(watch(|| ()).1, None, "what another verb left");
        tell(Some(left(1)));
    }
}
