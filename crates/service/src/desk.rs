//! How web servers ask the event loop of a daemon, which alone knows: questions go to it over a
//! bounded channel, and each carries the way back.

use tokio::sync::{mpsc, oneshot};

/// Questions that wait; more wait outside.
const ORDERS_MAX: usize = 16;

/// Asks a running daemon. Cheap to clone.
#[derive(Debug)]
pub struct Desk<O> {
    orders: mpsc::Sender<O>,
}

impl<O> Clone for Desk<O> {
    fn clone(&self) -> Desk<O> {
        Desk { orders: self.orders.clone() }
    }
}

/// The daemon is stopping, or has ended.
#[derive(Debug, thiserror::Error)]
#[error("it is stopping")]
pub struct Gone;

/// A desk, and where its orders arrive.
pub fn desk<O>() -> (Desk<O>, mpsc::Receiver<O>) {
    let (orders, incoming) = mpsc::channel(ORDERS_MAX);
    (Desk { orders }, incoming)
}

impl<O> Desk<O> {
    /// Asks, and waits for the answer; `order` makes the question of a sender, such as
    /// `Order::Status`.
    ///
    /// # Errors
    /// There is nobody to answer any more.
    pub async fn ask<T>(&self, order: impl FnOnce(oneshot::Sender<T>) -> O) -> Result<T, Gone> {
        let (to, answer) = oneshot::channel();
        self.orders.send(order(to)).await.map_err(|_| Gone)?;
        answer.await.map_err(|_| Gone)
    }
}
