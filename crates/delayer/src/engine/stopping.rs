//! How a delayer stops: what was begun is finished, and, if so configured, everything that is
//! stored goes back or on.

use std::time::Duration;

use tokio::time::{Instant, timeout_at};

use super::{Engine, EngineError, Wake};
use crate::config::OnShutdown;
use client::link::Link;

/// How long confirms of a stop without emptying are waited for.
const DRAIN: Duration = Duration::from_secs(5);

/// Emptying gives up when nothing at all was confirmed for so long. Short enough to say so before
/// those who stop containers lose patience: 10 s or 30 s.
const STALL: Duration = Duration::from_secs(6);

impl Engine {
    /// Ends what was begun, then the connections and the storage threads.
    pub(super) async fn stop(mut self) -> Result<(), EngineError> {
        tracing::info!("stopping: {} messages are being published", self.revival.in_flight());
        self.stopping = true;
        let until = Instant::now() + DRAIN;
        let settled = self.run_while(until, |engine| {
            engine.writing.is_some() || !engine.revival.is_settled() && engine.publisher.is_open()
        });
        let again = settled.await?;
        if let Some(link) = &mut self.consumer {
            // What is not acknowledged goes back to its queue.
            if let Some(open) = link.open() {
                self.intake.acknowledge(&mut open.connection, open.channel);
            }
            link.end().await;
        }
        self.consumer = None::<Link>;
        let result = match (again, self.plan.on_shutdown) {
            (true, OnShutdown::Return | OnShutdown::Forward) => self.empty().await,
            _ => Ok(()),
        };
        self.publisher.end().await;
        result
    }

    /// Publishes everything that is stored.
    async fn empty(&mut self) -> Result<(), EngineError> {
        let before = self.held();
        let to = match self.plan.on_shutdown {
            OnShutdown::Return => format!("back to {}", self.plan.queue),
            _ => format!("on to {:?}", self.plan.exchange),
        };
        tracing::info!("{before} stored messages go {to}; a second signal keeps the rest");
        self.revival.start_emptying();
        let mut progress = (Instant::now(), before);
        let mut why = None;
        while !self.revival.is_at_end() && self.held() > 0 {
            self.turn();
            let until = Instant::now() + Duration::from_millis(200);
            if !self.run_while(until, |engine| !engine.revival.is_at_end()).await? {
                why = Some("a second signal ended it".to_owned());
                break;
            }
            let held = self.held();
            if held < progress.1 {
                progress = (Instant::now(), held);
            } else if progress.0.elapsed() > STALL {
                break;
            }
        }
        let left = self.held();
        if left == 0 {
            tracing::info!("{before} messages went {to}");
            return Ok(());
        }
        let last = self.last_error.take().map(|(_, text)| text);
        let why = why.or(last).unwrap_or_else(|| "the broker did not take them".into());
        Err(EngineError::Left { left, storage: self.plan.storage.clone(), why })
    }

    fn held(&self) -> u64 {
        self.store.totals().map_or(u64::MAX, |totals| totals.held)
    }

    /// Goes on as usual until `until` or as long as `goes_on`; false when it has to end at once.
    async fn run_while(
        &mut self,
        until: Instant,
        goes_on: impl Fn(&Engine) -> bool,
    ) -> Result<bool, EngineError> {
        while goes_on(self) {
            let Ok(wake) = timeout_at(until, self.wait()).await else { return Ok(true) };
            if matches!(wake, Wake::Stop) {
                return Ok(false);
            }
            self.handle(wake)?;
            self.turn();
        }
        Ok(true)
    }
}
