//! Transactions of a channel: publishes and acknowledgements that wait for `tx.commit`.

use amqp::error::{AmqpError, ReplyCode};
use amqp::method::{Method, TxCommitOk, TxRollbackOk, TxSelectOk};

use super::acks::{Settled, Verdict};
use super::content::OwnedPublish;
use crate::amqp::connections::{Flow, Handled};
use crate::shard::{At, Shard};

/// What a transaction holds back.
#[derive(Default)]
pub(crate) struct Transaction {
    pub(crate) publishes: Vec<OwnedPublish>,
    pub(crate) settled: Vec<(Settled, Verdict)>,
}

impl Shard {
    pub(crate) fn tx_select(&mut self, at: At) -> Handled {
        let Some(channel) = self.channel(at) else { return Ok(Flow::Continue) };
        if channel.confirms.is_some() {
            let text = "cannot switch from confirm to tx mode";
            return Err(AmqpError::new(ReplyCode::PreconditionFailed, text));
        }
        channel.transaction.get_or_insert_default();
        self.send(at, &Method::TxSelectOk(TxSelectOk {}));
        Ok(Flow::Continue)
    }

    /// Everything that the transaction holds takes effect; the answer waits until it is durable.
    pub(crate) fn tx_commit(&mut self, at: At) -> Handled {
        let transaction = self.take_transaction(at)?;
        let mut durable = 0;
        for publish in &transaction.publishes {
            durable = self.publish(at, &publish.as_publish())?.max(durable);
        }
        for (settled, verdict) in transaction.settled {
            self.apply_all(at, &[settled], verdict);
        }
        self.reply_after(at, durable, &Method::TxCommitOk(TxCommitOk {}))
    }

    /// Publishes are forgotten; acknowledged deliveries are outstanding again (amqp.md 5.2).
    pub(crate) fn tx_rollback(&mut self, at: At) -> Handled {
        let transaction = self.take_transaction(at)?;
        if let Some(channel) = self.channel(at) {
            for ((tag, unacked), _) in transaction.settled {
                channel.unacked.restore(tag, unacked);
            }
        }
        self.send(at, &Method::TxRollbackOk(TxRollbackOk {}));
        Ok(Flow::Continue)
    }

    fn take_transaction(&mut self, at: At) -> Result<Transaction, AmqpError> {
        let transaction = self.channel(at).and_then(|channel| channel.transaction.as_mut());
        match transaction {
            Some(transaction) => Ok(std::mem::take(transaction)),
            None => {
                Err(AmqpError::new(ReplyCode::PreconditionFailed, "channel is not transactional"))
            }
        }
    }
}
