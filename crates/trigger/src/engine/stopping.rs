//! The end: nothing more is consumed, what has not begun goes back, runs are waited for, and what
//! was settled is known to have arrived.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Engine, Finished, Wake};

impl Engine {
    /// Drains, until the drain timeout or an order to end at once.
    pub(super) async fn stop(mut self) -> Finished {
        let timeout = Duration::from_millis(self.definition.trigger.drain_timeout_ms);
        let until = Instant::now() + timeout;
        self.draining = true;
        let over = timeout_at(until, self.drain()).await.unwrap_or(true);
        let aborted = if over && !self.is_idle() { self.abort().await } else { 0 };
        self.consumer.end().await;
        if let Some(publisher) = &mut self.publisher {
            publisher.end().await;
        }
        if aborted > 0 {
            let became = match self.definition.trigger.auto_acknowledge {
                true => "are lost, because they are acknowledged",
                false => "go back to the queue",
            };
            tracing::warn!(
                trigger = self.definition.name,
                "{aborted} runs were not done within {} ms and were aborted; their messages {became}",
                timeout.as_millis()
            );
        }
        Finished { aborted }
    }

    /// Works on until nothing is left. True when it had to end before.
    async fn drain(&mut self) -> bool {
        self.reconcile().await;
        let now = self.now();
        self.machine.drain(now);
        self.execute();
        self.publish_waiting();
        while !self.is_idle() {
            match self.wait().await {
                Wake::Stop => return true,
                wake => self.handle(wake),
            }
            self.turn().await;
        }
        false
    }

    /// Ends the runs that are left. Returns how many they were.
    async fn abort(&mut self) -> usize {
        self.runs.shutdown().await;
        let aborted = self.machine.abort();
        self.execute();
        aborted
    }
}
