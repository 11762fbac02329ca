//! Stopping: every wait of the orchestrator goes through here.
//!
//! Cancelling the token means "drain": what is being applied is finished, up to a deadline, then the
//! courtesy lease is handed back. A wait ends at once. There is no second token: whoever wants an end
//! without draining drops the future.

use std::future::Future;
use std::time::Duration;

use tokio_util::sync::CancellationToken;

/// The wait ended because the orchestrator is to stop.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stopped;

/// A token and the waits that obey it.
#[derive(Clone, Debug)]
pub(crate) struct Stopper(CancellationToken);

impl Stopper {
    /// Waits that end when `token` is cancelled.
    pub(crate) fn new(token: CancellationToken) -> Self {
        Self(token)
    }

    /// Whether the orchestrator is to stop.
    pub(crate) fn stopping(&self) -> bool {
        self.0.is_cancelled()
    }

    /// A stopper for work below this one: it ends with this one, or alone when dropped.
    pub(crate) fn child(&self) -> Self {
        Self(self.0.child_token())
    }

    /// Ends everything below this stopper.
    pub(crate) fn stop(&self) {
        self.0.cancel();
    }

    /// Waits for `span`.
    ///
    /// # Errors
    /// [`Stopped`], as soon as it is so.
    pub(crate) async fn wait(&self, span: Duration) -> Result<(), Stopped> {
        match tokio::time::timeout(span, self.0.cancelled()).await {
            Ok(()) => Err(Stopped),
            Err(_elapsed) => Ok(()),
        }
    }

    /// Runs `work` until it is done or the orchestrator is to stop; work cut short is dropped.
    ///
    /// # Errors
    /// [`Stopped`] when it was cut short.
    pub(crate) async fn unless_stopped<F: Future>(&self, work: F) -> Result<F::Output, Stopped> {
        tokio::select! {
            biased;
            () = self.0.cancelled() => Err(Stopped),
            output = work => Ok(output),
        }
    }

    /// Runs `work` to its end; once the orchestrator is to stop, for at most `grace` more.
    ///
    /// # Errors
    /// [`Stopped`] when the grace was not enough.
    pub(crate) async fn drain<F: Future>(
        &self,
        grace: Duration,
        work: F,
    ) -> Result<F::Output, Stopped> {
        let mut work = std::pin::pin!(work);
        tokio::select! {
            output = &mut work => return Ok(output),
            () = self.0.cancelled() => {}
        }
        tokio::time::timeout(grace, work)
            .await
            .map_err(|_elapsed| Stopped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_wait_ends_as_soon_as_the_token_is_cancelled() {
        let token = CancellationToken::new();
        let stopper = Stopper::new(token.clone());
        let wait = tokio::spawn(async move { stopper.wait(Duration::from_secs(3600)).await });
        token.cancel();
        assert_eq!(wait.await.unwrap(), Err(Stopped));
    }

    #[tokio::test]
    async fn draining_lets_work_end_and_no_longer_than_its_grace() {
        let stopper = Stopper::new(CancellationToken::new());
        stopper.stop();
        let grace = Duration::from_millis(1);
        assert_eq!(
            stopper.drain(Duration::from_secs(60), async { 7 }).await,
            Ok(7)
        );
        let never = std::future::pending::<()>();
        assert_eq!(stopper.drain(grace, never).await, Err(Stopped));
    }
}
