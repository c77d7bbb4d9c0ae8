"""The application of test_celery_delays.py: all queues are quorum queues, so that celery lets the
broker wait with what has a countdown (its native delayed delivery)."""

import time

from celery import Celery

app = Celery("delayed_app", broker="pyamqp://guest@localhost//", backend="rpc://")
app.conf.update(
    task_default_queue="delays",
    task_default_exchange="delays",
    # Celery delays nothing that goes through a direct exchange.
    task_default_exchange_type="topic",
    task_default_routing_key="delays",
    task_default_queue_type="quorum",
    broker_native_delayed_delivery_queue_type="quorum",
    broker_transport_options={"confirm_publish": True},
    worker_detect_quorum_queues=True,
)


@app.task
def arrived(sent):
    """How many seconds after `sent` this runs."""
    return time.time() - sent


@app.task(bind=True, max_retries=2)
def third_time(self, started):
    """Runs, tries again after a second, and again after another."""
    if self.request.retries < 2:
        raise self.retry(countdown=1)
    return time.time() - started
